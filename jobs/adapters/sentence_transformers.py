"""Embedding models by sentence-transformers: contrastive training, then an average with the base.

A tuned model knows its own notes better and everything else worse. Averaging its weights with the
base's keeps most of the gain and loses little (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models"); which share of the tuned weights serves best is measured on development queries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
import torch
from datasets import Dataset
from msgspec import Struct
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback

from config.settings import EmbeddingRecipe
from jobs import checkpoints
from jobs.adapters import torch_checkpoints
from jobs.adapters.embedding_course import Course, CourseCallback, Plan
from jobs.domain.artifacts import BaseModel, TrainedModel
from jobs.domain.averaging import best_share
from jobs.domain.batches import plan_batches
from jobs.domain.errors import Stopped
from jobs.domain.examples import Pair
from jobs.domain.negatives import choose_negatives
from jobs.domain.recipe import Intensity
from jobs.domain.retrieval import ServedPair, Shelf, Vectors, keys_of, mean_ndcg_at_10, serve
from jobs.ports import Report, ShouldStop
from jobs.publish import published_directory, remove_directory, write_file
