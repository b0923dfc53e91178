/* From a worker's message to the engine: the data set mapped, the op looked up. */
#include "engine/categories.h"
#include "engine/kept.h"
#include "wire/wire.h"

#include <string.h>

size_t kr_engine_budget(int workers)
{
    return kr_memory() / 10 * 9 / (size_t)(workers > 0 ? workers : 1);
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* The stored data set of a message, or none. */
static kr_status open_source(struct kr_ctx *ctx, const json_t *dataset, struct kr_source *out)
{
    const json_t *meta = json_object_get(dataset, "meta"), *names = json_object_get(meta, "feature_names");
    const json_t *targets = json_object_get(meta, "target_names");
    const char **features, **several;
    KR_TRY(kr_dataset_map(ctx, text_of(dataset, "directory"), &out->data));
    out->name = text_of(dataset, "name");
    out->sha256 = text_of(meta, "sha256");
    if (json_array_size(names) != out->data.d)
        return kr_fail(ctx, KR_INTERNAL, "", "data set %.64s names %zu features and has %zu", out->name,
                       json_array_size(names), out->data.d);
    KR_ALLOC(ctx, features, out->data.d);
    for (size_t k = 0; k < out->data.d; k++)
        features[k] = json_string_value(json_array_get(names, k));
    out->data.feature_names = features;
    KR_TRY(kr_categories_stored(ctx, json_object_get(meta, "columns"), out->data.d, &out->data.categories));
    out->data.target_name = text_of(meta, "target_name");
    if (out->data.targets == 1)
        return KR_OK;
    if (json_array_size(targets) != out->data.targets)
        return kr_fail(ctx, KR_INTERNAL, "", "data set %.64s names %zu targets and has %zu", out->name,
                       json_array_size(targets), out->data.targets);
    KR_ALLOC(ctx, several, out->data.targets);
    for (size_t t = 0; t < out->data.targets; t++)
        several[t] = json_string_value(json_array_get(targets, t));
    out->data.target_names = several;
    return KR_OK;
}

static kr_status with_source(struct kr_ctx *ctx, const json_t *message, const char *op, json_t *request,
                             const struct kr_source *source, struct kr_emit *emit, json_t **reply)
{
    if (strcmp(op, "gradient") == 0)
        return kr_engine_gradient(ctx, request, source, reply);
    if (!source->data.n)
        return kr_fail(ctx, KR_INVALID, "/dataset", "is required");
    if (json_object_get(message, "warm_start"))
        KR_TRY(kr_engine_warm_start(ctx, request, json_object_get(message, "warm_start")));
    if (strcmp(op, "check") == 0)
        return kr_engine_check(ctx, request, source, reply);
    KR_TRY(kr_engine_tune(ctx, request, source, json_object_get(message, "checkpoint"),
                          text_of(message, "model_directory"), emit, reply));
    if (json_object_get(message, "job")) /* a job's model has its name */
        json_object_set(json_object_get(*reply, "result"), "model", json_object_get(message, "job"));
    return KR_OK;
}

/* The data sets of the message, as long as the work lasts. */
static kr_status with_message(struct kr_ctx *ctx, const json_t *message, const char *op, json_t *request,
                              struct kr_emit *emit, json_t **reply)
{
    const json_t *dataset = json_object_get(message, "dataset"),
                 *beside = json_object_get(message, "validation_dataset");
    struct kr_source source = {0}, held_out = {0};
    kr_status status = dataset ? open_source(ctx, dataset, &source) : KR_OK;
    if (status == KR_OK && beside) {
        status = open_source(ctx, beside, &held_out);
        source.held_out = &held_out.data;
    }
    if (status == KR_OK)
        status = with_source(ctx, message, op, request, &source, emit, reply);
    kr_dataset_unmap(&held_out.data);
    kr_dataset_unmap(&source.data);
    return status;
}

kr_status kr_engine_run(struct kr_ctx *ctx, const json_t *message, struct kr_emit *emit, void *self,
                        json_t **reply)
{
    const char *op = text_of(message, "op");
    json_t *request = json_object_get(message, "request");
    const json_t *model = json_object_get(message, "model");
    if (op && strcmp(op, "predict") == 0)
        return kr_engine_predict(ctx, self, request, model, text_of(message, "directory"), reply);
    if (op && strcmp(op, "weights") == 0)
        return kr_engine_model_weights(ctx, model, text_of(message, "directory"), reply);
    if (op && strcmp(op, "import") == 0)
        return kr_engine_model_import(ctx, model, text_of(message, "directory"), reply);
    if (self) /* its memory is for other work now */
        kr_kept_close(self);
    if (!op || (strcmp(op, "gradient") && strcmp(op, "check") && strcmp(op, "tune")))
        return kr_fail(ctx, KR_INTERNAL, "", "a worker does not know the operation \"%.40s\"", op ? op : "");
    return with_message(ctx, message, op, request, emit, reply);
}
