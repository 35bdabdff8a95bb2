"""The parts that both apps serve with: the worker process that opens pictures, and the guard in front of Gradio."""
