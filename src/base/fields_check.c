/* Ranges of a schema for structs that a C caller filled: what the JSON codec checks for those that it reads.
 */
#include "kriged/fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A field by its struct and its path in it: "kr_solver_options", "/preconditioner/rank". */
struct place {
    const char *schema;
    char path[256];
};

static kr_status check_schema(struct kr_ctx *ctx, const struct kr_schema *schema, const void *value,
                              const struct place *outer);

static kr_status check_range(struct kr_ctx *ctx, const struct kr_field *field, double value,
                             const struct place *place)
{
    const bool open_min = field->flags & KR_OPEN_MIN, open_max = field->flags & KR_OPEN_MAX;
    if (!isfinite(value))
        return kr_fail(ctx, KR_INVALID, place->path, "%s of %s must be finite, got %g", place->path + 1,
                       place->schema, value);
    if ((field->min == 0 && field->max == 0) || ((open_min ? value > field->min : value >= field->min) &&
                                                 (open_max ? value < field->max : value <= field->max)))
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, place->path, "%s of %s must be in %c%g, %g%c, got %.17g", place->path + 1,
                   place->schema, open_min ? '(' : '[', field->min, field->max, open_max ? ')' : ']', value);
}

static kr_status check_choice(struct kr_ctx *ctx, const struct kr_field *field, int value,
                              const struct place *place)
{
    const char *const *names = field->aux;
    int count = 0;
    while (names[count])
        count++;
    if (value >= 0 && value < count)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, place->path, "%s of %s must be one of %d choices (0 to %d), got %d",
                   place->path + 1, place->schema, count, count - 1, value);
}

/* A row, of the registry or the caller's own; none where that means "auto". */
static kr_status check_row(struct kr_ctx *ctx, const struct kr_field *field, const struct kr_type *row,
                           const struct place *place)
{
    const struct kr_registry *registry = field->aux;
    const bool automatic =
        field->kind == KR_KIND_ROW && field->fallback && strcmp(field->fallback, "auto") == 0;
    if (row || automatic)
        return KR_OK;
    return kr_fail(ctx, KR_INVALID, place->path, "%s of %s must be a %s, got none", place->path + 1,
                   place->schema, registry->noun);
}

static kr_status check_variant(struct kr_ctx *ctx, const struct kr_field *field,
                               const struct kr_variant *variant, const struct place *place)
{
    if (!variant->type && !field->fallback)
        return KR_OK; /* absent */
    KR_TRY(check_row(ctx, field, variant->type, place));
    if (!variant->type->options)
        return KR_OK;
    if (!variant->options)
        return kr_fail(ctx, KR_INVALID, place->path, "%s of %s, %s, needs its options", place->path + 1,
                       place->schema, variant->type->name);
    return check_schema(ctx, variant->type->options, variant->options, place);
}

static kr_status check_field(struct kr_ctx *ctx, const struct kr_field *field, const void *at,
                             const struct place *place)
{
    const bool absent_allowed = !field->fallback && !(field->flags & KR_REQUIRED);
    switch (field->kind) {
    case KR_KIND_REAL: {
        const double value = *(const double *)at;
        return absent_allowed && isnan(value) ? KR_OK : check_range(ctx, field, value, place);
    }
    case KR_KIND_INT: {
        const size_t value = *(const size_t *)at;
        return absent_allowed && value == 0 ? KR_OK : check_range(ctx, field, (double)value, place);
    }
    case KR_KIND_SEED:
        return check_range(ctx, field, (double)*(const uint64_t *)at, place);
    case KR_KIND_CHOICE:
        return check_choice(ctx, field, *(const int *)at, place);
    case KR_KIND_ROW: {
        const struct kr_type *row = *(const struct kr_type *const *)at;
        return absent_allowed && !row ? KR_OK : check_row(ctx, field, row, place);
    }
    case KR_KIND_OBJECT:
        return check_schema(ctx, field->aux, at, place);
    case KR_KIND_OPTIONAL: {
        const void *inner = *(const void *const *)at;
        return inner ? check_schema(ctx, field->aux, inner, place) : KR_OK;
    }
    case KR_KIND_VARIANT:
        return check_variant(ctx, field, at, place);
    default:
        return KR_OK;
    }
}

static kr_status check_schema(struct kr_ctx *ctx, const struct kr_schema *schema, const void *value,
                              const struct place *outer)
{
    struct place place = {.schema = outer->schema};
    for (size_t i = 0; i < schema->count; i++) {
        const struct kr_field *field = &schema->fields[i];
        snprintf(place.path, sizeof place.path, "%.180s/%.70s", outer->path, field->name);
        KR_TRY(check_field(ctx, field, (const char *)value + field->offset, &place));
    }
    return KR_OK;
}

kr_status kr_schema_check(struct kr_ctx *ctx, const struct kr_schema *schema, const void *value)
{
    const struct place whole = {.schema = schema->name};
    return check_schema(ctx, schema, value, &whole);
}
