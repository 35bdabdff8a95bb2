# Recipe of the two bundled models, from the bucket to the artifacts: `make ensemble`. Finished steps are skipped, and an
# interrupted run resumes from its last checkpoint. Another bucket: AWS_ENDPOINT_URL_S3=http://...
PARTS ?= 0 1 2 3 4 5 6 7 8 9 a b c d e f
BEGINNING_STEPS ?= 5000
SECOND_STEPS ?= 8000
THIRD_STEPS ?= 6500
TWIN_STEPS ?= 4800
DEEP_STEPS ?= 12000 11000 12500 20000
MEMBER_STEPS ?= 100
FAST_STEPS ?= 21000
JPEG_STEPS ?= 5000
TILES_PER_IMAGE ?= 12
THREADS ?= 2

PYTHON := .venv/bin/python
TRAIN := $(PYTHON) -m training_pipeline --resume --no-branches --optimiser muon --threads $(THREADS) \
	--validation shards/validation
COMBINE := $(PYTHON) -m ensemble_pipeline combine
ALL := $(PARTS:%=--shards shards/train_%)
SHARDS := $(PARTS:%=shards/train_%/manifest.json) shards/validation/manifest.json
.PHONY: all
.SECONDARY:

all: ensembles/fast/config.json ensembles/best/config.json

# 8-layer networks train quickly: one is the warm start of the 20-layer teacher and of its 8-layer student.
runs/beginning/config.json: $(SHARDS)
	$(TRAIN) $(ALL) --seed 0 --steps $(BEGINNING_STEPS) --learning-rate 2e-3 --out $(@D)

runs/second/config.json: runs/beginning/config.json
	$(TRAIN) $(ALL) --seed 1 --init-from $(<D) --steps $(SECOND_STEPS) --learning-rate 1.5e-3 --out $(@D)

# Two runs with one thread each (make -j2) complete 1.4 times as many steps as one run with two threads, and the average
# of their weights beats both.
TWIN := --threads 1 --learning-rate 1.5e-3

runs/third/config.json: runs/second/config.json
	$(TRAIN) $(TWIN) $(ALL) --seed 4 --init-from $(<D) --steps $(THIRD_STEPS) --out $(@D)

runs/twin/config.json: runs/second/config.json
	$(TRAIN) $(TWIN) $(ALL) --seed 6 --init-from $(<D) --steps $(TWIN_STEPS) --out $(@D)

ensembles/shallow/config.json: runs/third/config.json runs/twin/config.json
	$(COMBINE) $(^D) --how weights --out $(@D)

runs/deep_1/config.json: ensembles/shallow/config.json
	$(TRAIN) $(ALL) --size 48x20 --seed 0 --init-from $(<D) --steps $(word 1,$(DEEP_STEPS)) --learning-rate 2e-3 --out $(@D)

DEEP = $(TRAIN) $(ALL) --size 48x20 --loss luma --init-from $(<D) --learning-rate 1.5e-3 --out $(@D)

runs/deep_2/config.json: runs/deep_1/config.json
	$(DEEP) --seed 5 --steps $(word 2,$(DEEP_STEPS))

runs/deep_3/config.json: runs/deep_2/config.json
	$(DEEP) --seed 9 --steps $(word 3,$(DEEP_STEPS))

# The warm start of all 16 members of `best` (v30 of the scoreboard). To rebuild it alone, for fine-tuning on other
# data: make -f recipes/shipped_models.mk runs/deep/config.json
runs/deep/config.json: runs/deep_3/config.json
	$(DEEP) --seed 10 --steps $(word 4,$(DEEP_STEPS))

runs/%/config.json: runs/deep/config.json shards/train_%/manifest.json
	$(TRAIN) --threads 1 --size 48x20 --seed 3 --loss luma --shards shards/train_$* --init-from $(<D) \
		--steps $(MEMBER_STEPS) --learning-rate 5e-4 --out $(@D)

ensembles/best_clean/config.json: $(PARTS:%=runs/%/config.json)
	$(COMBINE) $(^D) --how weights --out $(@D)

# The weight average of the 16 members teaches an 8-layer student, and a JPEG student of each size: those get JPEGs where
# the teacher gets the clean crops.
DISTILL = $(COMBINE) ensembles/best_clean --how distill --threads $(THREADS) --validation shards/validation $(ALL) \
	--out $(@D)

ensembles/fast_clean/config.json: ensembles/shallow/config.json ensembles/best_clean/config.json
	$(DISTILL) --into 48x8 --init-from $(<D) --steps $(FAST_STEPS)

ensembles/fast_jpegs/config.json: ensembles/fast_clean/config.json ensembles/best_clean/config.json
	$(DISTILL) --into 48x8 --init-from $(<D) --steps $(JPEG_STEPS) --jpeg

ensembles/best_jpegs/config.json: ensembles/best_clean/config.json
	$(DISTILL) --into 48x20 --init-from $(<D) --steps $(JPEG_STEPS) --jpeg

ensembles/%/config.json: ensembles/%_clean/config.json ensembles/%_jpegs/config.json
	$(COMBINE) $(<D) --how weights --jpeg-model ensembles/$*_jpegs --out $(@D)

shards/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --out shards

shards/validation/manifest.json:
	$(PYTHON) -m feature_pipeline --part validation --out shards
