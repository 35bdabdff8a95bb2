# Recipe of the bundled models, from the bucket to the artifacts: `make ensemble`. Finished steps are skipped, and an
# interrupted run resumes from its last checkpoint. Another bucket: AWS_ENDPOINT_URL_S3=http://...
# On a GPU, larger and fewer steps: BATCH=224 CROP=48 BEST_STEPS=30000 FAST_STEPS=17000 JPEG_STEPS=4000
# EVALUATE_EVERY=5000; those of best took 8 minutes of an H200. docs/results.md tells how today's models were made.
# METADATA: the bucket's list of pictures, for licences and authors.
# IMAGES_PER_PART: only the first so many pictures of each part, such as 5000; all parts take 750 GB of disk. A larger
# number later extends the parts.
# START: recipes/in_progress, to continue the long runs whose checkpoints are in the repository; they need all parts of
# the bucket that they began with.
# A step is BATCH crops of CROP x CROP LR pixels: 27,000 of the default's are 1e9 LR pixels, or 1,940 of 224 x 48 x 48.
PARTS ?= 0 1 2 3 4 5 6 7 8 9 a b c d e f
BEST_SIZE ?= 48x6-gated
FAST_SIZE ?= 48x2-gated4
BATCH ?= 36
CROP ?= 32
EVALUATE_EVERY ?=
BEST_STEPS ?= 130000
FAST_STEPS ?= 65000
JPEG_STEPS ?= 10000
INT8_STEPS ?= 2000
TILES_PER_IMAGE ?= 12
IMAGES_PER_PART ?=
THREADS ?= 2
METADATA ?=
START ?=
# Processes that share a run by torchrun: one for each GPU, or on a CPU one for each core with THREADS=1. Two of one
# thread take 3.2 steps of 48x5-gated a second, one of two threads 2.5.
PROCESSES ?= 1

PYTHON := .venv/bin/python
CUT := $(PYTHON) -m feature_pipeline --out shards $(IMAGES_PER_PART:%=--images %)
SHARING := $(if $(filter-out 1,$(PROCESSES)),-m torch.distributed.run --standalone --nproc-per-node $(PROCESSES))
BATCHES := --batch $(BATCH) --crop $(CROP) $(EVALUATE_EVERY:%=--evaluate-every %)
TRAIN := $(PYTHON) $(SHARING) -m training_pipeline --resume --no-branches --optimiser muon --loss luma \
	--threads $(THREADS) $(BATCHES) --validation shards/validation
COMBINE := -m ensemble_pipeline combine
ALL := $(PARTS:%=--shards shards/train_%)
SHARDS := $(PARTS:%=shards/train_%/manifest.json) shards/validation/manifest.json
# Threads that wait for each other sleep: beside other work, spinning made a step cost 2.3 core-seconds in place of 0.56
export OMP_WAIT_POLICY := PASSIVE
.PHONY: all keep FORCE
.SECONDARY:

all: ensembles/fast/config.json ensembles/best/config.json

# Best is trained from scratch, and all long runs at a constant rate until the last fifth: while it is constant, a run may
# become longer or end early, by another number of steps.
CONTINUE = $(if $(START),test -d $(@D) || ! test -d $(START)/$(@D) || (mkdir -p $(dir $(@D)) && cp -r $(START)/$(@D) $(@D)))

runs/best/config.json: $(SHARDS)
	$(CONTINUE)
	$(TRAIN) $(ALL) --size $(BEST_SIZE) --seed 0 --schedule wsd --steps $(BEST_STEPS) --learning-rate 1e-3 --out $(@D)

# Copies the last checkpoint of each unfinished long run (4 MB: weights, their average, optimisers) to where it can be
# committed.
UNFINISHED = $(foreach run,$(wildcard runs/best ensembles/fast_clean/distillation-*),$(if $(wildcard $(run)/config.json),,$(run)))

keep:
	for run in $(UNFINISHED); do last="$$(ls $$run/checkpoints/step-*.pt | tail -n 1)"; test -n "$$last" || continue; \
		to=recipes/in_progress/$$run/checkpoints; rm -rf $$to && mkdir -p $$to && cp "$$last" $$to || exit 1; done

# It teaches a smaller student, and a JPEG student of each size: those get JPEGs where the teacher gets the clean crops.
DISTILL = $(PYTHON) $(SHARING) $(COMBINE) runs/best --how distill --schedule wsd --threads $(THREADS) \
	$(BATCHES) --validation shards/validation $(ALL) --out $(@D)

ensembles/fast_clean/config.json: runs/best/config.json
	$(CONTINUE)
	$(DISTILL) --into $(FAST_SIZE) --steps $(FAST_STEPS)

ensembles/fast_jpegs/config.json: ensembles/fast_clean/config.json runs/best/config.json
	$(DISTILL) --into $(FAST_SIZE) --init-from $(<D) --steps $(JPEG_STEPS) --jpeg

ensembles/best_jpegs/config.json: runs/best/config.json
	$(DISTILL) --into $(BEST_SIZE) --init-from $(<D) --steps $(JPEG_STEPS) --jpeg

# Fine-tuned for int8, each network keeps its float32 form as it was.
INT8 = $(TRAIN) $(ALL) --int8 --init-from $(<D) --steps $(INT8_STEPS) --learning-rate 3e-4 --out $(@D)

runs/best_int8/config.json: runs/best/config.json
	$(INT8) --size $(BEST_SIZE)

runs/best_jpegs_int8/config.json: ensembles/best_jpegs/config.json
	$(INT8) --size $(BEST_SIZE) --jpeg

runs/fast_int8/config.json: ensembles/fast_clean/config.json
	$(INT8) --size $(FAST_SIZE)

runs/fast_jpegs_int8/config.json: ensembles/fast_jpegs/config.json
	$(INT8) --size $(FAST_SIZE) --jpeg

ensembles/%/config.json: runs/%_int8/config.json runs/%_jpegs_int8/config.json
	$(PYTHON) $(COMBINE) $(<D) --jpeg-model $(word 2,$(^D)) --out $(@D)

# Written only when its text changes: parts of another text are then older, and cut again
CUT_WITH := --images $(or $(IMAGES_PER_PART),all) --tiles-per-image $(TILES_PER_IMAGE)
shards/cut_with: FORCE
	@mkdir -p $(@D) && echo '$(CUT_WITH)' | cmp -s - $@ || echo '$(CUT_WITH)' > $@

$(SHARDS): shards/cut_with

shards/train_%/manifest.json:
	$(CUT) --part $* --tiles-per-image $(TILES_PER_IMAGE) $(METADATA:%=--metadata %)

shards/validation/manifest.json:
	$(CUT) --part validation
