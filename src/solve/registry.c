/* The registries of methods and preconditioners, and the names of stops. */
#include "kriged/solve.h"

#define KR_SOLVER(name) extern const struct kr_solver_type kr_solver_##name;
#include "solve/solvers.def"
#undef KR_SOLVER

static const struct kr_type *const rows[] = {
#define KR_SOLVER(name) &kr_solver_##name.base,
#include "solve/solvers.def"
#undef KR_SOLVER
    NULL};

const struct kr_registry kr_solver_registry = {"solver", rows};

#define KR_PRECONDITIONER(name) extern const struct kr_preconditioner_type kr_preconditioner_##name;
#include "solve/preconditioners.def"
#undef KR_PRECONDITIONER

extern const struct kr_type kr_preconditioner_automatic;
const struct kr_type kr_preconditioner_automatic = {
    "auto", "chosen by size, memory and what the matrix can answer", NULL};

static const struct kr_type *const preconditioners[] = {&kr_preconditioner_automatic,
#define KR_PRECONDITIONER(name) &kr_preconditioner_##name.base,
#include "solve/preconditioners.def"
#undef KR_PRECONDITIONER
                                                        NULL};
const struct kr_registry kr_preconditioner_registry = {"preconditioner", preconditioners};

const char *const kr_precision_names[] = {"auto", "double", "mixed", NULL};

const char *const kr_stop_names[] = {
#define KR_STOP_TEXT(name, text) text,
    KR_STOP_TABLE(KR_STOP_TEXT)
#undef KR_STOP_TEXT
        NULL};

KR_DEFINE(kr_solver_options, KR_SOLVER_FIELDS, "how linear systems are solved");
KR_DEFINE(kr_solve_report, KR_SOLVE_REPORT_FIELDS, "what the solves of an evaluation did");
