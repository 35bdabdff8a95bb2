# The two models that ship, from the bucket to the artifacts: make ensemble. Whatever is finished is not made again, and
# a run that was stopped goes on from its last checkpoint. Another bucket: AWS_ENDPOINT_URL_S3=http://...
PARTS ?= 0 1 2 3 4 5 6 7 8 9 a b c d e f
CLEAN ?= 0 1 2 3 4 5 6 7 # the parts of which there are no augmented tiles
BEGINNING_STEPS ?= 5000
SECOND_STEPS ?= 8000
THIRD_STEPS ?= 6500
TWIN_STEPS ?= 4800
DEEPENED_STEPS ?= 12000
DEEP_STEPS ?= 11000
MEMBER_STEPS ?= 100
FAST_STEPS ?= 12000
BEST_STEPS ?= 1500
FAST_TUNING_STEPS ?= 400
BEST_TUNING_STEPS ?= 250
TILES_PER_IMAGE ?= 12
THREADS ?= 2

PYTHON := .venv/bin/python
TRAIN := $(PYTHON) -m training_pipeline --resume --no-branches --optimiser muon --threads $(THREADS) \
	--validation shards/validation
COMBINE := $(PYTHON) -m ensemble_pipeline combine
ALL := $(PARTS:%=--shards shards/train_%)
AUGMENTED := $(filter-out $(CLEAN),$(PARTS))
SHARDS := $(PARTS:%=shards/train_%/manifest.json) shards/validation/manifest.json
.PHONY: all
.SECONDARY:

all: ensembles/fast/config.json ensembles/best/config.json

# Networks of 8 layers train quickly: one is the beginning of the deep network, and of the one that learns from it.
runs/beginning/config.json: $(SHARDS)
	$(TRAIN) $(ALL) --seed 0 --steps $(BEGINNING_STEPS) --learning-rate 2e-3 --out $(@D)

runs/second/config.json: runs/beginning/config.json
	$(TRAIN) $(ALL) --seed 1 --init-from $(<D) --steps $(SECOND_STEPS) --learning-rate 1.5e-3 --out $(@D)

# Two runs of one thread each take 1.4 times the steps of one run of two threads (make -j2), and their mean is better
# than either.
TWIN := --threads 1 --learning-rate 1.5e-3

runs/third/config.json: runs/second/config.json
	$(TRAIN) $(TWIN) $(ALL) --seed 4 --init-from $(<D) --steps $(THIRD_STEPS) --out $(@D)

runs/twin/config.json: runs/second/config.json
	$(TRAIN) $(TWIN) $(ALL) --seed 6 --init-from $(<D) --steps $(TWIN_STEPS) --out $(@D)

ensembles/shallow/config.json: runs/third/config.json runs/twin/config.json
	$(COMBINE) $(^D) --how weights --out $(@D)

runs/deepened/config.json: ensembles/shallow/config.json
	$(TRAIN) $(ALL) --size 48x20 --seed 0 --init-from $(<D) --steps $(DEEPENED_STEPS) --learning-rate 2e-3 --out $(@D)

# checkpoints/deep is what this run became in 32,500 steps more, to begin with: --init-from checkpoints/deep
runs/deep/config.json: runs/deepened/config.json
	$(TRAIN) $(ALL) --size 48x20 --seed 5 --loss luma --init-from $(<D) --steps $(DEEP_STEPS) \
		--learning-rate 1.5e-3 --out $(@D)

runs/%/config.json: runs/deep/config.json shards/train_%/manifest.json
	$(TRAIN) --threads 1 --size 48x20 --seed 3 --loss luma --shards shards/train_$* --init-from $(<D) \
		--steps $(MEMBER_STEPS) --learning-rate 5e-4 --out $(@D)

ensembles/deep/config.json: $(PARTS:%=runs/%/config.json)
	$(COMBINE) $(^D) --how weights --out $(@D)

# The teacher sees clean crops alone; what noise and JPEG do to them is for the students to learn.
TILES := $(AUGMENTED:%=--shards augmented/train_%)
DISTILL = $(COMBINE) $(<D) --how distill --threads $(THREADS) --validation shards/validation $(ALL) $(TILES) --out $(@D)

ensembles/fast_student/config.json: ensembles/deep/config.json ensembles/shallow/config.json \
		$(AUGMENTED:%=augmented/train_%/manifest.json)
	$(DISTILL) --into 48x8 --init-from ensembles/shallow --steps $(FAST_STEPS)

ensembles/best_student/config.json: ensembles/deep/config.json $(AUGMENTED:%=augmented/train_%/manifest.json)
	$(DISTILL) --into 48x20 --init-from $(<D) --steps $(BEST_STEPS)

# A third of the way from what was tuned to augmented tiles to the student lies what is good for JPEGs and clean photos.
TUNE = $(TRAIN) --threads 1 --loss luma --learning-rate 5e-4 --seed $* --init-from $(<D) $(TILES) --out $(@D)

runs/fast_augmented_%/config.json: ensembles/fast_student/config.json
	$(TUNE) --steps $(FAST_TUNING_STEPS)

runs/best_augmented_%/config.json: ensembles/best_student/config.json
	$(TUNE) --size 48x20 --steps $(BEST_TUNING_STEPS)

ensembles/%/config.json: ensembles/%_student/config.json runs/%_augmented_7/config.json runs/%_augmented_8/config.json
	$(COMBINE) $(^D) --how weights --out $(@D)

shards/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --out shards

augmented/train_%/manifest.json:
	$(PYTHON) -m feature_pipeline --part $* --tiles-per-image $(TILES_PER_IMAGE) --augment --out augmented

shards/validation/manifest.json:
	$(PYTHON) -m feature_pipeline --part validation --out shards
