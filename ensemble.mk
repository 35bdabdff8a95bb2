# The two models that ship, from the bucket to the artifacts: make ensemble. Whatever is finished is not made again, and
# a run that was stopped goes on from its last checkpoint. Another bucket: AWS_ENDPOINT_URL_S3=http://...
PARTS ?= 0 1 2 3 4 5 6 7 8 9 a b c d e f
CLEAN ?= 0 1 2 3 4 5 6 7 # the parts whose members see no augmented tiles
BEGINNING_STEPS ?= 5000
SECOND_STEPS ?= 8000
MEMBER_STEPS ?= 100
DEEPER_STEPS ?= 1300
BEST_STEPS ?= 200
TILES_PER_IMAGE ?= 12
THREADS ?= 2

PYTHON := .venv/bin/python
TRAIN := $(PYTHON) -m training_pipeline --resume --no-branches --optimiser muon --threads $(THREADS) \
	--validation shards/validation
ALL := $(PARTS:%=--shards shards/train_%)
AUGMENTED := $(PARTS:%=--shards augmented/train_%)
SHARDS := $(PARTS:%=shards/train_%/manifest.json) shards/validation/manifest.json
.PHONY: all
.SECONDARY:

all: ensembles/fast/config.json ensembles/best/config.json

ensembles/fast/config.json: $(PARTS:%=runs/%/config.json)
	$(PYTHON) -m ensemble_pipeline combine $(^D) --how weights --out $(@D)

ensembles/best/config.json: runs/best_clean/config.json runs/best_augmented/config.json
	$(PYTHON) -m ensemble_pipeline combine $(^D) --how weights --out $(@D)

runs/beginning/config.json: $(SHARDS)
	$(TRAIN) $(ALL) --seed 0 --steps $(BEGINNING_STEPS) --learning-rate 2e-3 --out $(@D)

runs/second/config.json: runs/beginning/config.json
	$(TRAIN) $(ALL) --seed 1 --init-from $(<D) --steps $(SECOND_STEPS) --learning-rate 1.5e-3 --out $(@D)

# Three layers more, as many as leave best 1.2 times as fast as SPAN.
runs/deeper/config.json: runs/second/config.json
	$(TRAIN) $(ALL) --seed 2 --size 48x11 --init-from $(<D) --steps $(DEEPER_STEPS) --learning-rate 1.5e-3 --out $(@D)

# Half way from networks of clean tiles to those of augmented tiles lies what is good for clean photos and for JPEGs.
FINISH := --threads 1 --seed 3 --learning-rate 5e-4

runs/best_clean/config.json: runs/deeper/config.json
	$(TRAIN) $(FINISH) $(ALL) --size 48x11 --init-from $(<D) --steps $(BEST_STEPS) --out $(@D)

runs/best_augmented/config.json: runs/deeper/config.json $(PARTS:%=augmented/train_%/manifest.json)
	$(TRAIN) $(FINISH) $(ALL) $(AUGMENTED) --size 48x11 --init-from $(<D) --steps $(BEST_STEPS) --out $(@D)

$(CLEAN:%=runs/%/config.json): runs/%/config.json: runs/second/config.json shards/train_%/manifest.json
	$(TRAIN) $(FINISH) --shards shards/train_$* --init-from $(<D) --steps $(MEMBER_STEPS) --out $(@D)

runs/%/config.json: runs/second/config.json shards/train_%/manifest.json augmented/train_%/manifest.json
	$(TRAIN) $(FINISH) --shards shards/train_$* --shards augmented/train_$* --init-from $(<D) \
		--steps $(MEMBER_STEPS) --out $(@D)

shards/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --out shards

augmented/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --augment --out augmented

shards/validation/manifest.json:
	$(PYTHON) -m feature_pipeline --part validation --out shards
