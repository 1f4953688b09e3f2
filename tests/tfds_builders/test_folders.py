"""Every corpus says what was done to it, under what licence it is and how to get it."""

from pathlib import Path

import pytest
from tensorflow_datasets.core import dataset_metadata

import tfds_builders
from tfds_builders import CORPORA


@pytest.mark.parametrize('corpus', CORPORA)
class TestFolder:
  @pytest.fixture
  def folder(self, corpus) -> Path:
    return Path(tfds_builders.__file__).parent / corpus

  @pytest.mark.parametrize('subject', ['processing', 'licence', 'access'])
  def test_readme_has_a_section_on(self, folder, subject):
    text = (folder / 'README.md').read_text()
    assert text.startswith(f'# {folder.name}\n')
    sections = [section.partition('\n') for section in text.split('\n## ')[1:]]
    said = [content for heading, _, content in sections if subject in heading.lower()]
    assert said and len(' '.join(said).split()) > 15

  def test_citations_are_bibtex(self, folder):
    text = (folder / 'CITATIONS.bib').read_text()
    assert text.startswith('@') and text.count('{') == text.count('}') > 3
    assert 'title' in text and 'author' in text

  def test_tags_are_known_to_tfds(self, folder):
    lines = (folder / 'TAGS.txt').read_text().splitlines()
    tags = {line.split('#')[0].strip() for line in lines} - {''}
    assert tags and tags <= set(dataset_metadata.valid_tags())

  def test_tfds_reads_them(self, folder):
    found = dataset_metadata.load(folder)
    assert found.tags and found.citation and found.description
