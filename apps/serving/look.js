document.documentElement.lang = "en"; // of our words; Gradio's follow the visitor's language
