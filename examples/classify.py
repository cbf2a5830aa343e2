"""Classify an image with a network that `lpnet prune` wrote.

    python examples/classify.py lpnet-prune/model.onnx image.png

Needs onnxruntime, numpy and pillow. The file says how an image becomes an input, and the classes.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
form, classes = json.loads(metadata["lpnet_input"]), json.loads(metadata["lpnet_classes"])
image = Image.open(sys.argv[2]).convert("RGB").resize((form["width"], form["height"]))
pixels = (np.asarray(image, np.float32) - form["mean"]) / form["std"]
(tensor,) = session.get_inputs()
batch = np.repeat(pixels.transpose(2, 0, 1)[None], tensor.shape[0], axis=0)
scores = session.run(None, {tensor.name: batch.astype(np.float32)})[0][0]
print(classes[scores.argmax()])
