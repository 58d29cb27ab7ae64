# `make` alone prints what there is. Every target makes the environment it needs.

PYTHON ?= python3
BACKEND ?= $(or $(KERAS_BACKEND),torch)
ACCELERATOR ?= cpu
TEST_BACKENDS ?= torch tensorflow jax

ifeq ($(ACCELERATOR),cpu)
VENV := .venv
# With hashes pip takes the very files of PyPI and no others, not a CPU build of torch.
REQUIREMENTS := requirements.txt
FIRST := -r $(REQUIREMENTS)
ifneq ($(filter-out 0 no,$(HASHES)),)
FIRST := --require-hashes -r requirements/hashes.txt
endif
else ifeq ($(ACCELERATOR),cuda)
ifeq ($(filter $(BACKEND),torch tensorflow jax),)
$(error Unknown BACKEND; expected torch, tensorflow or jax. Received: $(BACKEND))
endif
VENV := .venv-$(BACKEND)-cuda
REQUIREMENTS := requirements/$(BACKEND)-cuda.txt
FIRST := -r $(REQUIREMENTS)
ifneq ($(filter-out 0 no,$(HASHES)),)
$(error HASHES is for ACCELERATOR=cpu; its list has no packages of CUDA. Leave it out.)
endif
else
$(error Unknown ACCELERATOR; expected cpu or cuda. Received: $(ACCELERATOR))
endif

export KERAS_BACKEND := $(BACKEND)
FMKERAS := $(VENV)/bin/python -m fmkeras
TUNE := $(VENV)/bin/python -m tuner
READY := $(VENV)/.ready
READY_TO_TEST := $(VENV)/.ready-to-test
READY_TO_EXPORT := $(VENV)/.ready-to-export
READY_FOR_OPTUNA := $(VENV)/.ready-for-optuna

# Nothing in a variable is a command of the shell; ARGS alone are words as typed there.
quoted = '$(subst ','\'',$(1))'
# With a folder in place of each ~ that begins a word; the spaces stay as they are.
space := $() $()
first_home = $(if $(filter ~/%,$(firstword $(1))),$(subst /~/,$(HOME)/,/$(1)),$(1))
home = $(subst $(space)~/,$(space)$(HOME)/,$(call first_home,$(1)))
# A variable that is not set adds no flag. A path may hold spaces.
flag = $(if $($(1)),$(2) $(foreach word,$($(1)),$(call quoted,$(word))))
path = $(if $($(1)),$(2) $(call quoted,$(call home,$($(1)))))
on = $(if $(filter-out 0 no,$($(1))),$(2))
DATA_FLAGS = $(call path,DATA,--data) $(call path,DATA_DIR,--data-dir)
MODEL_FLAG = $(call path,MODEL,--model)
PIXELS_FLAG = $(call flag,PIXELS,--pixels)

# What the command line sets is one of the variables that help names, or a mistake.
KNOWN := $(shell sed -n "s/^\t@echo '  \([A-Z][A-Z_]*\) .*=.*/\1/p" '$(firstword $(MAKEFILE_LIST))')
GIVEN := $(foreach v,$(.VARIABLES),$(if $(findstring command line,$(origin $(v))),$(v)))
UNKNOWN := $(filter-out $(KNOWN) MAKE% -% FMKERAS TUNE VENV SHELL PIP_%,$(GIVEN))
ifneq ($(UNKNOWN),)
CLOSE := $(shell $(PYTHON) -c 'import difflib, sys; print(*difflib.get_close_matches(sys.argv[1].upper(), sys.argv[2:], 1, 0.5))' $(call quoted,$(firstword $(UNKNOWN))) $(KNOWN))
$(error Unknown variable; $(if $(CLOSE),did you mean $(CLOSE)?,expected one that 'make help' lists.) Received: $(firstword $(UNKNOWN)))
endif
# A target takes the variables that its own lines name; another would be passed over.
words_of = $(shell sed -n '/^$(1):/,/^$$/p' '$(firstword $(MAKEFILE_LIST))' | grep -oE '[A-Z][A-Z_]+')
flags_of = $(shell sed -n '/^$(1) =/{:a;p;/\\$$/{n;ba}}' '$(firstword $(MAKEFILE_LIST))' | grep -oE '[A-Z][A-Z_]+')
with_flags = $(1) $(foreach v,$(filter %_FLAG %_FLAGS,$(1)),$(call flags_of,$(v)))
ifneq ($(and $(filter $(KNOWN),$(GIVEN)),$(MAKECMDGOALS)),)
NAMED := $(foreach goal,$(MAKECMDGOALS),$(call with_flags,$(call with_flags,$(call words_of,$(goal)))))
TAKEN := $(sort $(filter $(KNOWN),$(NAMED)) ACCELERATOR HASHES PYTHON $(if $(filter BACKENDS,$(NAMED)),$(if $(filter cpu,$(ACCELERATOR)),,BACKEND),BACKEND))
UNUSED := $(filter-out $(TAKEN),$(filter $(KNOWN),$(GIVEN)))
ifneq ($(UNUSED),)
$(error Of no use to $(MAKECMDGOALS); expected one of: $(TAKEN). Received: $(firstword $(UNUSED)))
endif
endif
# Messages then speak of MODEL=, not of --model.
export FMKERAS_USED_BY := make

.DEFAULT_GOAL := help
.PHONY: help venv quickstart train evaluate compare predict export try publish import-torch audit report data models show parity \
	benchmark benchmark-fit speedrun tensorboard gpu-check repeat reproduce finetune zoo zoo-check study campaign tune tune-chief tune-worker tune-export results pictures notebooks lint lock audit-deps bom format test test-slow test-faults fuzz test-export test-browser clean

help: ## print this help
	@echo 'make TARGET [VARIABLE=value ...]'
	@echo
	@echo 'Targets:'
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'
	@echo
	@echo 'Variables:                                               for example'
	@echo '  MODEL         a network (make models), a .keras path   MODEL=lenet'
	@echo '  INIT          train: a file to go on from              INIT=saved.keras'
	@echo '  MODELS        several of them, or all                  MODELS="lenet cnn"'
	@echo '  PIXELS        of a model made elsewhere: its range     PIXELS=0..1'
	@echo '  LIMIT         so many training images in all           LIMIT=5000'
	@echo '  IMAGES        pictures of your own, or a folder        IMAGES="a.png b.jpg"'
	@echo '  FORMAT        of export: onnx, litert, torch ... all   FORMAT="onnx torch"'
	@echo '  FILE          of import-torch: weights of PyTorch      FILE=mlp.pt'
	@echo '  TO            publish: where the folders go            TO=publish'
	@echo '  RUN           report: the folder of one run            RUN=runs/ID'
	@echo '  BACKEND       torch, tensorflow or jax                 BACKEND=jax'
	@echo '  RECIPE        default, published, or a .json file      RECIPE=published'
	@echo '  EPOCHS        passes over the training images          EPOCHS=5'
	@echo '  BATCH         images a step                            BATCH=256'
	@echo '  LR            the highest learning rate                LR=0.002'
	@echo '  OPTIMIZER     adam[w], muon, ranger21, rmsprop, sgd    OPTIMIZER=sgd'
	@echo '  PRECISION     auto, float32, bfloat16[-if-native]      PRECISION=bfloat16'
	@echo '  SEED          for split, weights, order, dropout       SEED=1'
	@echo '  SEEDS         several: repeat, reproduce, study ...    SEEDS="0 1 2"'
	@echo '  BACKENDS      several: repeat, benchmark, zoo-check    BACKENDS="torch jax"'
	@echo '  NAME          of the study or search                   NAME=first'
	@echo '  SPACE         of tune: a name, or a .json or .py file  SPACE=batch-lr-grid'
	@echo '  SEARCH        grid, random, bayesian or hyperband      SEARCH=random'
	@echo '  TRIALS        of tune: at most so many                 TRIALS=30'
	@echo '  WORKERS       of tune: processes on this machine       WORKERS=2'
	@echo '  DEVICES       of train: GPUs, or processes on a CPU    DEVICES=2'
	@echo '  RESUME        the folder of a run or search; or last   RESUME=runs/tune-a'
	@echo '  SAVE          over a model: better, always or never    SAVE=always'
	@echo '  PORT          of tune-chief: where it listens          PORT=8765'
	@echo '  CHIEF         of tune-worker: where its chief is       CHIEF=host:8765'
	@echo '  DEVICE        cpu or gpu: benchmark, zoo, campaign     DEVICE=gpu'
	@echo '  QUICK         benchmark: two minutes of it             QUICK=1'
	@echo '  GOAL          speedrun: 93, 94, 95, or several         GOAL=94'
	@echo '  GROWTH        benchmark: over batch and image sizes    GROWTH=1'
	@echo '  SCALING       benchmark: one process and two           SCALING=1'
	@echo '  MINUTES       campaign, zoo: how long it may take      MINUTES=30'
	@echo '  DATA          garments, kmnist ..., your own folder    DATA=~/shoes'
	@echo '  DATA_DIR      the folder of the data                   DATA_DIR=~/fashion'
	@echo '  OUT           where results go: a folder, or a file    OUT=/tmp/models'
	@echo '  FIGURE        evaluate, data: a picture to draw        FIGURE=lenet.png'
	@echo '  ARGS          any further flags of the command         ARGS="--l2 0.001"'
	@echo '  ACCELERATOR   cpu, or cuda for an NVIDIA GPU           ACCELERATOR=cuda'
	@echo '  HASHES        a new venv: files of known SHA-256 alone HASHES=1'
	@echo '  PYTHON        the Python, 3.11 to 3.13, of .venv       PYTHON=python3.12'
	@echo '  FAULTS        test-faults: long kills more often       FAULTS=long'
	@echo '  FUZZ          fuzz: how many files for each parser     FUZZ=1000'
	@echo '  TEST_BACKENDS those to run the tests on                TEST_BACKENDS=torch'
	@echo
	@echo 'Example: make train MODEL=cnn EPOCHS=5 BACKEND=jax'

venv: $(READY) ## make the environment (other targets do so themselves)

quickstart: $(READY) ## train a small network in a minute: start here
	@$(FMKERAS) quickstart $(call path,DATA_DIR,--data-dir) $(call flag,SEED,--seed) $(ARGS)

train: $(READY) ## train MODEL and save it in saved_models
	@$(FMKERAS) train $(MODEL_FLAG) $(call path,INIT,--init-from) $(DATA_FLAGS) $(call path,RECIPE,--recipe) \
	$(call flag,EPOCHS,--epochs) $(call flag,BATCH,--batch-size) \
	$(call flag,LR,--learning-rate) $(call flag,OPTIMIZER,--optimizer) \
	$(call flag,SEED,--seed) $(call flag,PRECISION,--precision) \
	$(call flag,LIMIT,--limit) $(call path,OUT,--out) $(call path,RESUME,--resume) \
	$(call flag,SAVE,--save) $(call flag,DEVICES,--devices) $(ARGS)

evaluate: $(READY) ## evaluate MODEL, or several, on the test images
	@$(FMKERAS) evaluate $(MODEL_FLAG) $(DATA_FLAGS) $(call path,OUT,--json) \
	$(call path,FIGURE,--figure) $(PIXELS_FLAG) $(ARGS)

compare: $(READY) ## compare MODELS on the same test images
	@$(FMKERAS) compare $(call path,MODELS,--models) $(DATA_FLAGS) \
	$(PIXELS_FLAG) $(call path,OUT,--json) $(ARGS)

predict: $(READY) ## classify your own IMAGES, or those in a folder
	@$(FMKERAS) predict $(call path,IMAGES,) $(MODEL_FLAG) $(PIXELS_FLAG) \
	$(call path,OUT,--out) $(ARGS)

export: $(READY_TO_EXPORT) ## write MODEL in FORMAT, and check it in its own runtime
	@$(FMKERAS) export $(MODEL_FLAG) $(call flag,FORMAT,--format) $(DATA_FLAGS) \
	$(PIXELS_FLAG) $(call path,OUT,--out) $(ARGS)

import-torch: $(READY) ## bring a PyTorch project's weights, FILE, into a .keras of MODEL
	@$(FMKERAS) import-torch $(call path,FILE,) $(MODEL_FLAG) $(call path,DATA_DIR,--data-dir) \
	$(call path,OUT,--out) $(ARGS)

try: $(READY_TO_EXPORT) ## write a page that runs MODEL in the browser, from the disk
	@$(FMKERAS) try $(MODEL_FLAG) $(DATA_FLAGS) $(PIXELS_FLAG) \
	$(call path,OUT,--out) $(ARGS)

publish: $(READY) ## lay MODEL out for a hub and a release; nothing is uploaded
	@$(FMKERAS) publish $(MODEL_FLAG) $(call path,TO,--to) $(ARGS)

audit: $(READY) ## list likely label errors and near duplicates
	@$(FMKERAS) audit $(MODEL_FLAG) $(DATA_FLAGS) $(call flag,EPOCHS,--epochs) \
	$(call flag,SEED,--seed) $(call path,OUT,--out) $(ARGS)

report: $(READY) ## write HTML pages about MODELS (default: all) or RUN
	@$(FMKERAS) report $(call path,MODELS,--models) $(call path,RUN,--run) $(DATA_FLAGS) \
	$(PIXELS_FLAG) $(call path,OUT,--out) $(ARGS)

data: $(READY) ## print what data was found, where, and whether it is intact
	@$(FMKERAS) data $(DATA_FLAGS) $(call path,OUT,--json) $(call path,FIGURE,--figure) $(ARGS)

models: $(READY) ## list the networks
	@$(FMKERAS) models $(call path,OUT,--json) $(ARGS)

show: $(READY) ## print MODEL layer by layer
	@$(FMKERAS) show $(call path,MODEL,) $(ARGS)

benchmark: $(READY) ## measure speed beside PyTorch; QUICK=1 for two minutes of it
	@$(FMKERAS) benchmark $(MODEL_FLAG) $(call flag,BACKENDS,--backends) \
	$(call flag,DEVICE,--device) $(call flag,PRECISION,--precision) \
	$(call flag,BATCH,--batch-size) $(call on,QUICK,--quick) $(call on,GROWTH,--growth) $(call on,SCALING,--scaling) \
	$(call path,OUT,--json) $(ARGS)

benchmark-fit: $(READY) ## measure fmkeras.fit beside model.fit on models of Keras
	@$(FMKERAS) benchmark-fit $(MODEL_FLAG) $(call flag,DEVICE,--device) \
	$(call path,OUT,--json) $(ARGS)

speedrun: $(READY) ## time trainings to 93, 94 and 95 %, beside plain PyTorch
	@$(FMKERAS) speedrun $(call flag,GOAL,--goal) $(call path,OUT,--out) $(DATA_FLAGS) $(ARGS)

parity: $(READY) ## compare the networks with PyTorch on every backend
	@$(FMKERAS) parity $(MODEL_FLAG) $(call path,OUT,--json) $(ARGS)

gpu-check: $(READY) ## check a GPU in minutes: run this first on a new one
	@$(FMKERAS) gpu-check $(MODEL_FLAG) $(call flag,BACKENDS,--backends) \
	$(call flag,DEVICE,--device) $(ARGS)

repeat: $(READY) ## train MODEL over BACKENDS and SEEDS; keep the records
	@$(FMKERAS) repeat $(MODEL_FLAG) $(call flag,BACKENDS,--backends) \
	$(call flag,SEEDS,--seeds) $(call flag,NAME,--name) $(call flag,EPOCHS,--epochs) $(ARGS)

reproduce: $(READY) ## train MODEL by its published protocol; print both figures
	@$(FMKERAS) reproduce $(MODEL_FLAG) $(call flag,SEEDS,--seeds) \
	$(call path,RECIPE,--recipe) $(call flag,EPOCHS,--epochs) \
	$(call path,DATA_DIR,--data-dir) $(ARGS)

finetune: $(READY) ## compare fine-tuning with training from scratch, on few images
	@$(FMKERAS) finetune $(MODEL_FLAG) $(call flag,EPOCHS,--epochs) \
	$(call flag,SEEDS,--seeds) $(DATA_FLAGS) $(call path,OUT,--out) $(ARGS)

zoo: $(READY) ## train every network by its default recipe; MODELS= for some
	@$(FMKERAS) zoo $(call path,MODELS,--models) $(call flag,MINUTES,--minutes) \
	$(call flag,EPOCHS,--epochs) $(call flag,SEED,--seed) $(call flag,SAVE,--save) \
	$(call flag,DEVICE,--device) $(call path,OUT,--out) $(DATA_FLAGS) $(ARGS)

zoo-check: $(READY) ## check every saved model, on each backend, without fmkeras
	@$(FMKERAS) zoo-check $(call path,MODELS,--models) $(call flag,BACKENDS,--backends) \
	$(call path,OUT,--models-dir) $(DATA_FLAGS) $(ARGS)

study: $(READY) ## compare shapes or parts of a recipe, NAME, on validation images
	@$(FMKERAS) study $(call path,NAME,--name) $(call flag,SEEDS,--seeds) \
		$(call flag,EPOCHS,--epochs) $(DATA_FLAGS) $(ARGS)

campaign: $(READY) ## measure what the tables lack on a GPU, for MINUTES
	@$(FMKERAS) campaign $(call flag,MINUTES,--minutes) $(call flag,DEVICE,--device) \
	$(call path,OUT,--out) $(ARGS)

SEARCH_FLAGS = $(MODEL_FLAG) $(call path,SPACE,--space) $(call flag,SEARCH,--search) \
	$(call flag,TRIALS,--trials) $(call flag,EPOCHS,--epochs) $(call flag,SEED,--seed) \
	$(call path,RECIPE,--recipe) $(DATA_FLAGS) $(call path,NAME,--name) \
	$(call path,RESUME,--resume)

tune: $(READY) ## search SPACE for the best recipe of MODEL
	@$(TUNE) search $(SEARCH_FLAGS) $(call flag,WORKERS,--workers) $(ARGS)

tune-chief: $(READY) ## search with workers on other machines
	@$(TUNE) chief $(SEARCH_FLAGS) $(call flag,PORT,--port) $(ARGS)

tune-worker: $(READY) ## train trials of a CHIEF, of the search NAME or RESUME
	@$(TUNE) worker $(call flag,CHIEF,--chief) $(call path,NAME,--name) \
	$(call path,RESUME,--resume) $(call path,DATA_DIR,--data-dir) \
	$(call flag,WORKERS,--workers) $(ARGS)

tune-export: $(READY_FOR_OPTUNA) ## write the search NAME for optuna-dashboard
	@$(TUNE) export $(call path,NAME,--name) $(call path,RESUME,--resume) $(call path,OUT,--out) $(ARGS)

results: $(READY) ## generate the tables of README and docs
	@$(FMKERAS) results $(ARGS)

pictures: $(READY_TO_TEST) ## draw the images of the docs, screenshots included
	@$(FMKERAS) pictures $(call path,DATA_DIR,--data-dir) $(ARGS)
	@PYTHONPATH=tests:. $(VENV)/bin/python tests/browser/screenshots.py $(call path,DATA_DIR,--data-dir)

notebooks: $(READY_TO_TEST) ## execute the notebooks of docs on the real data
	@$(VENV)/bin/python docs/notebooks/execute.py $(ARGS)

tensorboard: $(READY) ## watch the runs in a browser
	@$(VENV)/bin/tensorboard --logdir runs

lint: $(READY_TO_TEST) ## check the code's style, and the hashes of the packages
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/python requirements/check_hashes.py

lock: $(READY_TO_TEST) ## write requirements/hashes.txt anew from requirements.txt
	@$(VENV)/bin/uv pip compile --quiet --no-deps --generate-hashes --no-header --no-annotate \
	--python-version 3.11 --output-file requirements/hashes.txt requirements.txt

audit-deps: $(READY_TO_TEST) ## ask PyPI for known faults of the pinned packages
	@$(VENV)/bin/uv tool run pip-audit==2.10.1 --requirement requirements/hashes.txt \
	--require-hashes --disable-pip --strict $(ARGS)

bom: $(READY_TO_TEST) ## write build/bom.json, the packages of a release (CycloneDX)
	@mkdir -p build
	@$(VENV)/bin/uv tool run --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
	--pyproject pyproject.toml --mc-type application --output-reproducible \
	--output-file build/bom.json requirements/hashes.txt

format: $(READY_TO_TEST) ## format the code
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

test: $(READY_TO_TEST) ## run the tests, in a process for each of TEST_BACKENDS
	@$(VENV)/bin/python tests/run.py $(call flag,TEST_BACKENDS,)

test-slow: $(READY_TO_TEST) ## run the minutes-long tests too
	@$(VENV)/bin/python tests/run.py --slow $(call flag,TEST_BACKENDS,)

test-faults: $(READY_TO_TEST) ## kill and race commands on every backend, for 20 minutes
	@$(VENV)/bin/python tests/faults/run.py $(call flag,FAULTS,--length) $(ARGS)

fuzz: $(READY_TO_TEST) ## feed every parser with changed files, FUZZ of them each
	@PYTHONPATH=tests:. $(VENV)/bin/python -m fuzz.run $(call flag,FUZZ,--inputs) $(ARGS)

test-export: $(READY_TO_TEST) $(READY_TO_EXPORT) ## test every format in its own runtime
	@$(VENV)/bin/python -m pytest -q -m export

test-browser: $(READY_TO_TEST) ## test the pages of the report in chromium
	@$(VENV)/bin/python tests/browser/run.py

clean: ## remove the environments and caches, not the runs
	rm -rf .venv .venv-*-cuda .pytest_cache .ruff_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): $(lastword $(FIRST))
	@$(call quoted,$(PYTHON)) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else f"make: Python 3.11 to 3.13 is needed; give one as PYTHON=python3.12. Received: {sys.version.split()[0]}")'
	@sh requirements/make_venv.sh $(VENV) $(call quoted,$(PYTHON)) $@ $(FIRST)

$(READY_TO_TEST): $(READY) requirements/dev.txt requirements/docs.txt
	@sh requirements/make_venv.sh $(VENV) $(call quoted,$(PYTHON)) $@ -r $(REQUIREMENTS) -r requirements/dev.txt

$(READY_TO_EXPORT): $(READY) requirements/export.txt
	@sh requirements/make_venv.sh $(VENV) $(call quoted,$(PYTHON)) $@ -r $(REQUIREMENTS) -r requirements/export.txt

$(READY_FOR_OPTUNA): $(READY) requirements/optuna.txt
	@sh requirements/make_venv.sh $(VENV) $(call quoted,$(PYTHON)) $@ -r $(REQUIREMENTS) -r requirements/optuna.txt
