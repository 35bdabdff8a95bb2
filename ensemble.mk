# The ensemble that ships, from the bucket to the artifact: make ensemble. Whatever is finished is not made again, and
# a run that was stopped goes on from its last checkpoint. Another bucket: AWS_ENDPOINT_URL_S3=http://...
PARTS ?= 0 1 2 3 4 5 6 7 8 9 a b c d e f
MEMBERS ?= 0 4 8 c
BEGINNING_STEPS ?= 5000
MEMBER_STEPS ?= 150
TILES_PER_IMAGE ?= 12
THREADS ?= 2
SIZE ?= small

PYTHON := .venv/bin/python
TRAIN := $(PYTHON) -m training_pipeline --resume --size $(SIZE) --no-branches --optimiser muon --threads $(THREADS) \
	--seed 0 --validation shards/validation
.SECONDARY:

ensembles/fast/config.json: $(MEMBERS:%=runs/%/config.json)
	$(PYTHON) -m ensemble_pipeline combine $(^D) --how weights --out $(@D)

runs/beginning/config.json: $(PARTS:%=shards/train_%/manifest.json) shards/validation/manifest.json
	$(TRAIN) $(PARTS:%=--shards shards/train_%) --steps $(BEGINNING_STEPS) --learning-rate 2e-3 --out $(@D)

runs/%/config.json: runs/beginning/config.json shards/train_%/manifest.json
	$(TRAIN) --shards shards/train_$* --init-from $(<D) --steps $(MEMBER_STEPS) --learning-rate 1e-4 --out $(@D)

shards/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --out shards

shards/validation/manifest.json:
	$(PYTHON) -m feature_pipeline --part validation --out shards
