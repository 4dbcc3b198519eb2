"""The import that every fastai program begins with."""
from fastai.vision.all import *
