"""Combination of trained networks into one model: averaging, distillation, evaluation, model card and publishing."""
