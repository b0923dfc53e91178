# kriged: `make help` lists the targets. Sources are found by wildcard: a new file needs no edit.
#
#   src/<layer>/*.c            build/libkriged.a
#   src/kriged.c               build/kriged
#   tests/<layer>/test_*.c     build/tests/<layer>/test_*, one program each, linked with tests/main.c
#   tests/bench/*.c            build/bench/*
#   tests/counts/hot_paths.c   build/counts/hot_paths, whose instructions are counted
#   clients/c/*.c              build/examples/*
#
# Variables: BUILD (build), CC, SANITIZE=1 (address and undefined behaviour), DEBUG=1 (operators are checked when a solver is
# opened), JOBS (test programs at a time), WERROR= (warnings do not stop the build).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

BUILD ?= build
JOBS ?= 2
WERROR ?= -Werror

sources := $(sort $(wildcard src/*/*.c))
main_source := $(wildcard src/kriged.c)
test_sources := $(sort $(wildcard tests/*/test_*.c))
bench_sources := $(sort $(wildcard tests/bench/*.c))
example_sources := $(sort $(wildcard clients/c/*.c))
formatted := $(sort $(wildcard include/*/*.h src/*.c src/*/*.c src/*/*.h tests/*.c tests/*.h tests/*/*.c tests/*/*.h clients/c/*.[ch]))

objects := $(sources:%.c=$(BUILD)/%.o)
library := $(BUILD)/libkriged.a
binary := $(if $(main_source),$(BUILD)/kriged)
tests := $(test_sources:tests/%.c=$(BUILD)/tests/%)
benches := $(bench_sources:tests/bench/%.c=$(BUILD)/bench/%)
examples := $(example_sources:clients/c/%.c=$(BUILD)/examples/%)

.DEFAULT_GOAL := all
.PHONY: all test test-programs examples asan lint bench bench-quality demo demo-constraints nightly clean format api api-check help FORCE

# ---- dependencies: looked for once, installed where they are missing (see deploy/install-deps.sh) -----------------------

modules := libmicrohttpd jansson sqlite3 openblas libsodium
test_modules := check libcurl
ifneq ($(filter-out clean help format lint,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/config.mk
endif

$(BUILD)/config.mk: Makefile deploy/install-deps.sh
	@mkdir -p $(@D)
	@deploy/install-deps.sh
	@{ echo "module_flags := $$(pkg-config --cflags $(modules))"; \
	   echo "module_libs := $$(pkg-config --libs $(modules))"; \
	   echo "blas_libs := $$(pkg-config --libs openblas)"; \
	   echo "test_flags := $$(pkg-config --cflags $(test_modules))"; \
	   echo "test_libs := $$(pkg-config --libs $(test_modules))"; } > $@

# ---- flags ---------------------------------------------------------------------------------------------------------------
# No -ffast-math and no -march: the same bits on every machine of an instruction set; vector code chooses at run time.

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ifeq ($(SANITIZE),1)
# gcc warns of what its own checks insert: here warnings do not stop the build
optimise := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else
optimise := -O3
warnings += $(WERROR)
endif
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Isrc -MMD -MP $(if $(filter 1,$(DEBUG)),-DKR_DEBUG)
CFLAGS += -std=gnu11 -g $(optimise) -fopenmp -fno-math-errno $(warnings)
LDFLAGS += $(if $(filter 1,$(SANITIZE)),-fsanitize=address$(comma)undefined) -fopenmp
comma := ,
libraries = $(module_libs) -lpthread -lm

# ---- build ---------------------------------------------------------------------------------------------------------------

all: $(library) $(binary)

$(BUILD)/src/%.o: src/%.c Makefile $(BUILD)/config.mk
	@mkdir -p $(@D)
	@echo "cc   $<"
	@$(CC) $(CPPFLAGS) $(module_flags) $(CFLAGS) -c $< -o $@

$(BUILD)/tests/%.o: tests/%.c Makefile $(BUILD)/config.mk
	@mkdir -p $(@D)
	@echo "cc   $<"
	@$(CC) $(CPPFLAGS) -Itests $(module_flags) $(test_flags) $(CFLAGS) -c $< -o $@

# Changes when a source comes or goes, so that the archive holds no object of a file that is gone.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@cmp -s $@ <<< '$(sources)' || cat > $@ <<< '$(sources)'

$(library): $(objects) $(BUILD)/sources
	@echo "ar   $@"
	@rm -f $@
	@ar rcs $@ $(objects)

$(BUILD)/kriged: $(BUILD)/src/kriged.o $(library)
	@echo "ld   $@"
	@$(CC) $(LDFLAGS) $^ $(libraries) -o $@

$(tests): %: %.o $(BUILD)/tests/main.o $(library)
	@echo "ld   $@"
	@$(CC) $(LDFLAGS) $^ $(test_libs) $(libraries) -o $@

$(benches): $(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(library)
	@mkdir -p $(@D)
	@echo "ld   $@"
	@$(CC) $(LDFLAGS) $^ $(test_libs) $(libraries) -o $@

$(BUILD)/counts/hot_paths: $(BUILD)/tests/counts/hot_paths.o $(library)
	@mkdir -p $(@D)
	@echo "ld   $@"
	@$(CC) $(LDFLAGS) $^ $(test_libs) $(libraries) -o $@

# As a user of the library builds: its headers, the archive, and of the other libraries only the BLAS.
$(examples): $(BUILD)/examples/%: clients/c/%.c $(library)
	@mkdir -p $(@D)
	@echo "cc   $<"
	@$(CC) -D_GNU_SOURCE -Iinclude $(CFLAGS) $(module_flags) -MMD -MP -MF $@.d $< $(LDFLAGS) $(library) $(blas_libs) -lm -o $@

examples: $(examples)

.PRECIOUS: $(BUILD)/tests/%.o $(BUILD)/src/%.o
-include $(objects:.o=.d) $(tests:=.d) $(BUILD)/src/kriged.d $(BUILD)/tests/main.d \
	$(bench_sources:tests/%.c=$(BUILD)/tests/%.d) $(examples:=.d) $(BUILD)/tests/counts/hot_paths.d

# ---- checks --------------------------------------------------------------------------------------------------------------

test: test-programs
	@$(MAKE) --no-print-directory api-check

test-programs: $(tests) $(binary) $(examples)
	@KRIGED_BINARY=$(CURDIR)/$(BUILD)/kriged KRIGED_EXAMPLES=$(CURDIR)/$(BUILD)/examples JOBS=$(JOBS) tests/run.sh $(tests)

# What the binary says about itself is committed.
api-check: $(binary)
ifneq ($(main_source),)
	@$(BUILD)/kriged openapi | diff -u api/openapi.json - >&2 || { echo "api/openapi.json is old: run make api" >&2; exit 1; }
	@$(BUILD)/kriged manual | diff -u api/manual.md - >&2 || { echo "api/manual.md is old: run make api" >&2; exit 1; }
	@echo "api/openapi.json and api/manual.md are what the binary prints"
endif

api: $(binary)
	@mkdir -p api
	@$(BUILD)/kriged openapi > $(BUILD)/openapi.json && mv $(BUILD)/openapi.json api/openapi.json
	@$(BUILD)/kriged manual > $(BUILD)/manual.md && mv $(BUILD)/manual.md api/manual.md

asan:
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 CK_TIMEOUT_MULTIPLIER=10 TEST_TIMEOUT=1800 \
		$(MAKE) BUILD=build/asan SANITIZE=1 test-programs

# Every operator that a solver is given keeps its promises (kr_op_check): the numerical layers, with KR_DEBUG.
debug_tests := $(filter $(addprefix $(BUILD)/tests/,op/% solve/% opt/%),$(tests))
debug:
	@$(MAKE) BUILD=build/debug DEBUG=1 debug-programs
debug-programs: $(debug_tests)
	@CK_TIMEOUT_MULTIPLIER=4 JOBS=$(JOBS) tests/run.sh $(debug_tests)

lint:
	@deploy/install-deps.sh lint
	@clang-format-14 --dry-run -Werror $(formatted)
	@tests/lint/layers.sh .
	@tests/lint/budgets.sh .
	@tests/lint/text.sh .
	@tests/lint/selftest.sh
	@echo "lint: clean"

format:
	@deploy/install-deps.sh lint
	@clang-format-14 -i $(formatted)

bench: $(benches) $(binary)
	@for program in $(benches); do KRIGED_BINARY=$(CURDIR)/$(BUILD)/kriged OMP_WAIT_POLICY=passive "$$program"; done

# Options of tests/quality/quality.py: make bench-quality QUALITY="--splits 2 --sets autompg concrete".
bench-quality: $(BUILD)/kriged
	@$(or $(PYTHON),python3) tests/quality/quality.py --binary $(BUILD)/kriged --results $(BUILD)/quality/results.json $(QUALITY)

# Instructions of the hot paths against those that are committed: a count, not a time. UPDATE=1 writes them anew.
counts: $(BUILD)/counts/hot_paths
	@deploy/install-deps.sh counts
	@UPDATE=$(UPDATE) tests/counts/run.sh $<

demo: $(BUILD)/kriged
	@deploy/demo.sh $(BUILD)/kriged

# SPLITS=5 shows as many random splits.
demo-constraints: $(BUILD)/kriged
	@deploy/demo-constraints.sh $(BUILD)/kriged $(or $(SPLITS),1)

# Everything, one after the other, with time for the long versions of the tests that have one (KRIGED_NIGHTLY=1).
nightly:
	@$(MAKE) debug
	@export KRIGED_NIGHTLY=1 CK_TIMEOUT_MULTIPLIER=10 TEST_TIMEOUT=3600; \
	for target in all lint counts test asan demo bench; do $(MAKE) $$target; done

clean:
	@rm -rf build

help:
	@echo "make          build/kriged and build/libkriged.a"
	@echo "make test     the test programs, and that api/ is what the binary prints"
	@echo "make asan     the test programs under the address and undefined-behaviour sanitizers"
	@echo "make debug    the tests of operators, solvers and optimisers, every operator checked as it is used"
	@echo "make lint     formatting, layers, budgets and text"
	@echo "make bench    the benchmarks"
	@echo "make counts   the instructions of the hot paths are what they were, to some per cent"
	@echo "make bench-quality  scores on real data beside scikit-learn, some hours: QUALITY=\"--splits 1 --sets autompg concrete\""
	@echo "make examples the programs of clients/c, which show the library at work"
	@echo "make demo     a daemon tunes a model of the strength of concrete, over HTTP, in under a minute"
	@echo "make demo-constraints  what a constraint does for intervals, on real data: tuned without and with it"
	@echo "make nightly  all of these, with the long versions of the tests"
	@echo "make format   formats the sources in place"
	@echo "make api      writes api/openapi.json and api/manual.md anew"
	@echo "make clean    removes build/"
