# The web UI with its model:
#   docker build -f docker/ui.Dockerfile -t double-resolution .
#   docker run --rm --memory 4g -p 127.0.0.1:7860:7860 double-resolution
# Python 3.11.16 of September 2026; the newest: docker buildx imagetools inspect python:3.11-slim-bookworm
FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b
ENV PYTHONUNBUFFERED=1 GRADIO_SERVER_NAME=0.0.0.0 GRADIO_SERVER_PORT=7860
WORKDIR /app

# The requirements first: they change seldom, and then their layer stays.
COPY requirements/build.txt requirements/build.txt
COPY requirements/serving.txt requirements/serving.txt
RUN pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN pip install --no-cache-dir --require-hashes --no-build-isolation -r requirements/serving.txt

COPY upscaler upscaler
COPY apps/__init__.py apps/__init__.py
COPY apps/serving apps/serving
COPY apps/ui apps/ui

# Whoever breaks in can write to nothing but his own home and /tmp.
RUN useradd --create-home --uid 1000 app
USER app

EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['GRADIO_SERVER_PORT'] + '/health', timeout=4)"]
CMD ["python", "-m", "apps.ui"]
