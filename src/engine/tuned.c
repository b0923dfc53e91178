/* The model of a request with tuned values: every parameter knows the JSON pointer of its value. */
#include "engine/model.h"
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

/* The place that a pointer names: a member of an object or an element of an array. */
struct place {
    json_t *parent;
    char key[128];
};

static json_t *look(const struct place *place)
{
    return json_is_array(place->parent) ? json_array_get(place->parent, strtoul(place->key, NULL, 10))
                                        : json_object_get(place->parent, place->key);
}

/* Steals `value`. */
static int put(const struct place *place, json_t *value)
{
    return json_is_array(place->parent)
               ? json_array_set_new(place->parent, strtoul(place->key, NULL, 10), value)
               : json_object_set_new(place->parent, place->key, value);
}

/* Pointers of parameters name members of our own tables: no escapes. */
static struct place find(json_t *root, const char *pointer)
{
    struct place place = {.parent = root};
    for (;;) {
        const char *token = pointer + 1;
        size_t length = strcspn(token, "/");
        if (length >= sizeof place.key)
            length = sizeof place.key - 1;
        memcpy(place.key, token, length);
        place.key[length] = 0;
        pointer = token + length;
        if (*pointer != '/')
            return place;
        place.parent = look(&place);
    }
}

/* What stands there, a number or {"value", ..}, with another value. Calibration may leave bounds: they then
 * reach as far as the value. */
static json_t *with_value(const json_t *old, double value)
{
    if (!json_is_object(old))
        return kr_json_real(value);
    json_t *copy = json_deep_copy(old), *bounds = json_object_get(copy, "bounds");
    json_object_set_new(copy, "value", kr_json_real(value));
    if (json_is_array(bounds) && value < json_number_value(json_array_get(bounds, 0)))
        json_array_set_new(bounds, 0, kr_json_real(value));
    if (json_is_array(bounds) && value > json_number_value(json_array_get(bounds, 1)))
        json_array_set_new(bounds, 1, kr_json_real(value));
    return copy;
}

/* Slopes of every feature, given for all targets alike, as those of each. */
static void spread_slopes(json_t *mean, size_t d, size_t targets)
{
    json_t *slopes = json_object_get(mean, "coefficients");
    if (targets > 1 && json_is_array(slopes) && json_array_size(slopes) == d)
        for (size_t e = d; e < d * targets; e++)
            json_array_append_new(slopes, json_deep_copy(json_array_get(slopes, e % d)));
}

json_t *kr_model_with_inputs(const json_t *request, const struct kr_gp *gp)
{
    json_t *model = json_deep_copy(json_object_get(request, "model")), *rows;
    const struct kr_points *Z = gp->space ? &gp->space->Z : NULL;
    if (Z && Z->n) {
        rows = json_array();
        for (size_t i = 0; i < Z->n; i++) {
            json_t *row = json_array();
            for (size_t k = 0; k < Z->d; k++)
                json_array_append_new(row, kr_json_real(Z->x[k * Z->ld + i]));
            json_array_append_new(rows, row);
        }
        json_object_set_new(json_object_get(model, "approximation"), "inputs", rows);
    }
    spread_slopes(json_object_get(model, "mean"), gp->train.x.d, gp->targets);
    return json_pack("{s:o}", "model", model);
}

/* Of the mean, whose parameters of several targets come one target after the other; others stand together. */
static bool is_of_mean(const char *pointer)
{
    return strncmp(pointer, "/model/mean/", strlen("/model/mean/")) == 0;
}

/* The next parameter with the pointer of p; count where there is none. */
static size_t following(const struct kr_parameters *parameters, size_t p)
{
    const char *pointer = parameters->items[p].pointer;
    const size_t last = is_of_mean(pointer) ? parameters->count : p + 2;
    for (size_t next = p + 1; next < parameters->count && next < last; next++)
        if (strcmp(parameters->items[next].pointer, pointer) == 0)
            return next;
    return parameters->count;
}

/* Was its value written with that of an earlier parameter? */
static bool is_repeated(const struct kr_parameters *parameters, size_t p)
{
    const size_t first = is_of_mean(parameters->items[p].pointer) || p == 0 ? 0 : p - 1;
    for (size_t before = first; before < p; before++)
        if (strcmp(parameters->items[before].pointer, parameters->items[p].pointer) == 0)
            return true;
    return false;
}

json_t *kr_model_tuned(const json_t *request, const struct kr_parameters *parameters, const double *theta)
{
    json_t *root = json_pack("{s:o}", "model", json_deep_copy(json_object_get(request, "model")));
    for (size_t p = 0; root && p < parameters->count; p++) {
        const char *pointer = parameters->items[p].pointer;
        const struct place place = find(root, pointer);
        const size_t next = following(parameters, p);
        if (is_repeated(parameters, p))
            continue;
        json_t *old = json_incref(look(&place)), *now;
        if (next == parameters->count)
            now = with_value(old, theta[p]);
        else /* one value, given for every feature or target */
            now = json_array();
        for (size_t k = p; next < parameters->count && k < parameters->count; k = following(parameters, k))
            json_array_append_new(now, with_value(old, theta[k]));
        put(&place, now);
        json_decref(old);
    }
    json_t *model = json_incref(json_object_get(root, "model"));
    json_decref(root);
    return model;
}
