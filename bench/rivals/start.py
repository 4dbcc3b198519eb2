"""What a fastai user waits for before anything happens."""
from fastai.vision.all import *
