"""The corpora as TensorFlow Datasets: one folder each, an example is one clip's features."""

CORPORA = ('bobsl', 'ejsl', 'emosign', 'signsim')
