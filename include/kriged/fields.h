/*
 * FIELDS: an option is declared once, as a row. The C struct member, the default, the range check, the JSON
 * codec, the JSON Schema, OpenAPI and the manual all come from that row.
 *
 *     #define KR_ADAM_FIELDS(F, S)                                                                          \
 *         F(S, REAL, learning_rate, _, "0.1", 0, 10, KR_OPEN_MIN, "step length in log-parameter units")  \
 *         F(S, INT, max_evaluations, _, "200", 0, 1e6, 0, "evaluations of loss and gradient at most")
 *     KR_DECLARE(kr_adam_options, KR_ADAM_FIELDS);                        in a header: struct and extern
 * schema KR_DEFINE(kr_adam_options, KR_ADAM_FIELDS, "Adam (Kingma and Ba)"); in one source file
 *
 * F(S, kind, member, aux, default, min, max, flags, doc): S is the struct's tag; `aux` names the struct of an
 * OBJECT, the registry of a VARIANT, the list of a CHOICE, else _. `default` is text: a number, true or
 * false, a name, or NULL for absent.
 *
 * A registry lists the rows of a family (kernels, losses, ...): a method is one file that exports one row,
 * whose first member is a struct kr_type. A VARIANT is {"type": name, ...options of that row}.
 */
#ifndef KRIGED_FIELDS_H
#define KRIGED_FIELDS_H

#include "kriged/base.h"

enum kr_kind {
    KR_KIND_BOOL,      /* bool */
    KR_KIND_INT,       /* size_t: count, index or bytes */
    KR_KIND_SEED,      /* uint64_t, below 2^53 on the wire */
    KR_KIND_REAL,      /* double; NaN is written as null */
    KR_KIND_TEXT,      /* const char *, NULL when absent */
    KR_KIND_CHOICE,    /* int, index into a NULL-terminated list of names */
    KR_KIND_ROW,       /* const struct kr_type *: a row's name, or "auto" (NULL) where the default is auto */
    KR_KIND_OBJECT,    /* an embedded struct with a schema */
    KR_KIND_OPTIONAL,  /* pointer to a struct with a schema, NULL when absent */
    KR_KIND_LIST,      /* struct kr_list of structs with a schema */
    KR_KIND_VARIANT,   /* struct kr_variant */
    KR_KIND_VARIANTS,  /* struct kr_variants */
    KR_KIND_PARAM,     /* struct kr_param: a hyperparameter */
    KR_KIND_FEATURES,  /* struct kr_features: names or indices */
    KR_KIND_INTS,      /* struct kr_ints */
    KR_KIND_REALS,     /* struct kr_reals */
    KR_KIND_MATRIX,    /* struct kr_matrix: rows of equal length */
    KR_KIND_TEXTS,     /* struct kr_texts */
    KR_KIND_MAP,       /* struct kr_map: names to texts */
    KR_KIND_VALUES,    /* struct kr_values: names to numbers; NaN is null unless the row has a range */
    KR_KIND_FEATURE,   /* struct kr_features of one: a name or an index; no items when absent */
    KR_KIND_GROUPS,    /* struct kr_groups: a feature, or a label of every row */
    KR_KIND_INT_LISTS, /* struct kr_int_lists */
    KR_KIND_SCALARS,   /* struct kr_reals: a number where it is one, else an array */
    KR_KIND_VECTORS,   /* struct kr_matrix: numbers where it has one column, else rows */
    KR_KIND_TABLE,     /* struct kr_table: rows of equal length, of numbers and texts */
    KR_KIND_JSON       /* void *: any JSON, owned elsewhere */
};

enum {
    KR_REQUIRED = 1, /* must be present */
    KR_OPEN_MIN = 2, /* the minimum itself is excluded */
    KR_OPEN_MAX = 4, /* the maximum itself is excluded */
    KR_INLINE = 8,   /* a VARIANT whose tag is this member itself and whose options stand beside it */
    KR_OMIT = 16,    /* not written when absent (NULL, NaN or empty) */
    KR_NULL = 32     /* written as null when absent */
};

struct kr_schema;

/* The head of every registry row. */
struct kr_type {
    const char *name;
    const char *doc;
    const struct kr_schema *options; /* NULL = no options */
};

struct kr_registry {
    const char *noun;                  /* "kernel", for messages and schema names */
    const struct kr_type *const *rows; /* NULL-terminated */
};

extern const struct kr_registry kr_prior_registry; /* what a PARAM may have as a prior: kriged/prior.h */

struct kr_field {
    const char *name;
    enum kr_kind kind;
    size_t offset;
    const void *aux; /* kr_schema, kr_registry or const char *const *, by kind */
    const char *fallback;
    double min, max;
    unsigned flags;
    const char *doc;
};

struct kr_schema {
    const char *name, *doc;
    size_t size;
    const struct kr_field *fields;
    size_t count;
};

/* Values of the composite kinds. Everything they point to lives in the arena of the context that read them.
 */
struct kr_variant {
    const struct kr_type *type;
    void *options; /* struct of type->options */
};
struct kr_variants {
    size_t count;
    struct kr_variant *items;
};
struct kr_list {
    size_t count;
    void *items; /* count structs of the schema's size, in a row */
};
struct kr_param_value {
    double value;
    bool fixed;
    bool bounded;
    double lower, upper;     /* when bounded */
    struct kr_variant prior; /* a row of kr_prior_registry; type NULL = none */
};
struct kr_param {
    size_t count; /* 1 for a number; the length of an array */
    bool array;   /* given as an array: one entry a feature */
    struct kr_param_value *values;
};
struct kr_feature {
    const char *name; /* NULL = by index */
    size_t index;
};
struct kr_features {
    size_t count;
    struct kr_feature *items;
};
struct kr_ints {
    size_t count;
    size_t *items;
};
struct kr_int_lists {
    size_t count;
    struct kr_ints *items;
};
struct kr_groups { /* rows that belong together; neither: absent */
    struct kr_features feature;
    struct kr_ints labels;
};
struct kr_reals {
    size_t count;
    double *items;
};
struct kr_matrix {
    size_t rows, cols;
    double *items; /* row-major */
};
struct kr_texts {
    size_t count;
    const char **items;
};
struct kr_table {
    size_t rows, cols;
    double *items;      /* row-major; NaN where there is a text */
    const char **texts; /* NULL where there is a number; itself NULL where all are */
};
struct kr_map {
    size_t count;
    const char **names, **texts;
};
struct kr_values {
    size_t count;
    const char *const *names;
    const double *values;
};

/* C type and aux pointer of each kind. */
#define KR_CTYPE_BOOL(aux)      bool
#define KR_CTYPE_INT(aux)       size_t
#define KR_CTYPE_SEED(aux)      uint64_t
#define KR_CTYPE_REAL(aux)      double
#define KR_CTYPE_TEXT(aux)      const char *
#define KR_CTYPE_CHOICE(aux)    int
#define KR_CTYPE_ROW(aux)       const struct kr_type *
#define KR_CTYPE_OBJECT(aux)    struct aux
#define KR_CTYPE_OPTIONAL(aux)  struct aux *
#define KR_CTYPE_LIST(aux)      struct kr_list
#define KR_CTYPE_VARIANT(aux)   struct kr_variant
#define KR_CTYPE_VARIANTS(aux)  struct kr_variants
#define KR_CTYPE_PARAM(aux)     struct kr_param
#define KR_CTYPE_FEATURES(aux)  struct kr_features
#define KR_CTYPE_INTS(aux)      struct kr_ints
#define KR_CTYPE_REALS(aux)     struct kr_reals
#define KR_CTYPE_MATRIX(aux)    struct kr_matrix
#define KR_CTYPE_TEXTS(aux)     struct kr_texts
#define KR_CTYPE_MAP(aux)       struct kr_map
#define KR_CTYPE_VALUES(aux)    struct kr_values
#define KR_CTYPE_FEATURE(aux)   struct kr_features
#define KR_CTYPE_GROUPS(aux)    struct kr_groups
#define KR_CTYPE_INT_LISTS(aux) struct kr_int_lists
#define KR_CTYPE_SCALARS(aux)   struct kr_reals
#define KR_CTYPE_VECTORS(aux)   struct kr_matrix
#define KR_CTYPE_TABLE(aux)     struct kr_table
#define KR_CTYPE_JSON(aux)      void *

#define KR_AUX_BOOL(aux)      NULL
#define KR_AUX_INT(aux)       NULL
#define KR_AUX_SEED(aux)      NULL
#define KR_AUX_REAL(aux)      NULL
#define KR_AUX_TEXT(aux)      NULL
#define KR_AUX_CHOICE(aux)    aux##_names
#define KR_AUX_ROW(aux)       &aux##_registry
#define KR_AUX_OBJECT(aux)    &aux##_schema
#define KR_AUX_OPTIONAL(aux)  &aux##_schema
#define KR_AUX_LIST(aux)      &aux##_schema
#define KR_AUX_VARIANT(aux)   &aux##_registry
#define KR_AUX_VARIANTS(aux)  &aux##_registry
#define KR_AUX_PARAM(aux)     &kr_prior_registry
#define KR_AUX_FEATURES(aux)  NULL
#define KR_AUX_INTS(aux)      NULL
#define KR_AUX_REALS(aux)     NULL
#define KR_AUX_MATRIX(aux)    NULL
#define KR_AUX_TEXTS(aux)     NULL
#define KR_AUX_MAP(aux)       NULL
#define KR_AUX_VALUES(aux)    NULL
#define KR_AUX_FEATURE(aux)   NULL
#define KR_AUX_GROUPS(aux)    NULL
#define KR_AUX_INT_LISTS(aux) NULL
#define KR_AUX_SCALARS(aux)   NULL
#define KR_AUX_VECTORS(aux)   NULL
#define KR_AUX_TABLE(aux)     NULL
#define KR_AUX_JSON(aux)      NULL

#define KR_MEMBER(S, kind, member, aux, fallback, min, max, flags, doc) KR_CTYPE_##kind(aux) member;
#define KR_FIELD_ROW(S, kind, member, aux, fallback, min, max, flags, doc)                                   \
    {#member, KR_KIND_##kind, offsetof(struct S, member), KR_AUX_##kind(aux), fallback, min, max, flags, doc},

#define KR_DECLARE(tag, FIELDS)                                                                              \
    struct tag {                                                                                             \
        FIELDS(KR_MEMBER, tag)                                                                               \
    };                                                                                                       \
    extern const struct kr_schema tag##_schema

#define KR_DEFINE(tag, FIELDS, text)                                                                         \
    static const struct kr_field tag##_rows[] = {FIELDS(KR_FIELD_ROW, tag)};                                 \
    const struct kr_schema tag##_schema = {#tag, text, sizeof(struct tag), tag##_rows,                       \
                                           sizeof tag##_rows / sizeof tag##_rows[0]}

/* The row called `name`, or NULL. */
const struct kr_type *kr_registry_find(const struct kr_registry *registry, const char *name);

/*
 * Sets a struct to its defaults (nested ones too), without JSON: what a C caller starts from.
 * The memory that defaults need (a PARAM's value, a VARIANT's options) comes from the arena.
 */
kr_status kr_schema_init(struct kr_ctx *ctx, const struct kr_schema *schema, void *out) KR_MUST_CHECK;
/*
 * Numbers within their ranges, choices that exist, rows that are there, nested structs likewise: for structs
 * that a C caller changed. INVALID, with the member's name and pointer. Lists, texts and parameters are not
 * looked at.
 */
kr_status kr_schema_check(struct kr_ctx *ctx, const struct kr_schema *schema,
                          const void *value) KR_MUST_CHECK;
/* One variant of a registry with its default options; INVALID when there is no such row. */
kr_status kr_variant_init(struct kr_ctx *ctx, const struct kr_registry *registry, const char *name,
                          struct kr_variant *out) KR_MUST_CHECK;

/* The index of a feature given by name or index among d features. INVALID at `pointer` when it is not there.
 */
kr_status kr_feature_find(struct kr_ctx *ctx, const struct kr_feature *feature, size_t d,
                          const char *const *names, const char *pointer, size_t *out) KR_MUST_CHECK;

#endif
