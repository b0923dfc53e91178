#include "wire_fixture.h"

static const struct refusal refusals[] = {
    {"[]", "", "must be an object, got an array"},
    {"7", "", "must be an object, got a number"},
    {"{\"aim\": {\"loss\": \"mse\"}}", "/needed", "is required"},
    {"{\"needed\": null, \"aim\": {\"loss\": \"mse\"}}", "/needed", "must be a number, got null"},
    {"{\"needed\": 1}", "/aim", "is required"},
    {"{\"needed\": 1, \"aim\": {}}", "/aim/loss", "is required"},
    {"{\"needed\": 1, \"aim\": null}", "/aim", "must be an object, got null"},
    {BODY(", \"counts\": 1"), "/counts",
     "is not known here; known are: needed, on, count, bytes, seed, share, limit, score, text, note, colour, "
     "row, method, aim, "
     "maybe, points, part, parts, noise, rows, numbers, x, y, cells, scale, names, labels, values, weights, "
     "any"},
    {BODY(", \"a/b~c\": 1"), "/a~1b~0c", NULL},
    {BODY(", \"on\": 1"), "/on", "must be true or false, got a number"},
    {BODY(", \"count\": \"3\""), "/count", "must be an integer, got a string"},
    {BODY(", \"count\": 3.5"), "/count", "must be an integer, got 3.5"},
    {BODY(", \"count\": 2"), "/count", "must be in [3, 1000000], got 2"},
    {BODY(", \"count\": -3"), "/count", "must be in [3, 1000000], got -3"},
    {BODY(", \"count\": 1000001"), "/count", "must be in [3, 1000000], got 1000001"},
    {BODY(", \"bytes\": 0"), "/bytes", "must be in [1000000, 1e+15], got 0"},
    {BODY(", \"seed\": 9007199254740992"), "/seed", "must be in [0, 9007199254740991], got 9007199254740992"},
    {BODY(", \"seed\": -1"), "/seed", "must be in [0, 9007199254740991], got -1"},
    {BODY(", \"seed\": 1e300"), "/seed", "must be in [0, 9007199254740991], got 1e+300"},
    {BODY(", \"share\": 0"), "/share", "must be in (0, 1), got 0"},
    {BODY(", \"share\": 1"), "/share", "must be in (0, 1), got 1"},
    {BODY(", \"share\": \"a\""), "/share", "must be a number, got a string"},
    {BODY(", \"limit\": -1.0000000000000002"), "/limit", "must be in [-1, 1e+308], got -1.0000000000000002"},
    {BODY(", \"text\": 1"), "/text", "must be a string, got a number"},
    {BODY(", \"colour\": \"pink\""), "/colour",
     "there is no choice called \"pink\"; there are: red, green, blue"},
    {BODY(", \"colour\": 1"), "/colour", "must be a string, got a number"},
    {BODY(", \"row\": \"auto\""), "/row", "there is no cost called \"auto\"; there are: mse, huber"},
    {BODY(", \"method\": \"x\""), "/method", "there is no cost called \"x\"; there are: mse, huber"},
    {BODY(", \"method\": {}"), "/method", "must be a string, got an object"},
    {"{\"needed\": 1, \"aim\": {\"loss\": \"mae\", \"delta\": 1}}", "/aim/loss",
     "there is no cost called \"mae\"; there are: mse, huber"},
    {"{\"needed\": 1, \"aim\": {\"loss\": {}}}", "/aim/loss", "must be a string, got an object"},
    {"{\"needed\": 1, \"aim\": {\"loss\": null}}", "/aim/loss", "must be a string, got null"},
    {"{\"needed\": 1, \"aim\": {\"loss\": \"mse\", \"delta\": 1}}", "/aim/delta",
     "is not known here; known are: loss, folds"},
    {"{\"needed\": 1, \"aim\": {\"loss\": \"huber\", \"dela\": 1}}", "/aim/dela",
     "is not known here; known are: loss, delta, scaled, folds"},
    {"{\"needed\": 1, \"aim\": {\"loss\": \"huber\", \"delta\": 0}}", "/aim/delta",
     "must be in (0, 100], got 0"},
    {"{\"needed\": 1, \"aim\": {\"loss\": \"mse\", \"folds\": 1}}", "/aim/folds",
     "must be in [2, 100], got 1"},
    {BODY(", \"maybe\": {}"), "/maybe/at", "is required"},
    {BODY(", \"maybe\": []"), "/maybe", "must be an object, got an array"},
    {BODY(", \"points\": {}"), "/points", "must be an array, got an object"},
    {BODY(", \"points\": [{\"at\": 1}, {\"at\": 11}]"), "/points/1/at", "must be in [-10, 10], got 11"},
    {BODY(", \"points\": [{\"at\": 1, \"b\": 0}]"), "/points/0/b", "is not known here; known are: at, label"},
    {BODY(", \"points\": [null]"), "/points/0", "must be an object, got null"},
    {BODY(", \"part\": \"leaf\""), "/part", "must be an object, got a string"},
    {BODY(", \"part\": {}"), "/part/type", "is required"},
    {BODY(", \"part\": {\"type\": 1}"), "/part/type", "must be a string, got a number"},
    {BODY(", \"part\": {\"type\": \"x\"}"), "/part/type",
     "there is no part called \"x\"; there are: leaf, bare, node"},
    {BODY(", \"part\": {\"type\": \"bare\", \"y\": 1}"), "/part/y", "is not known here; known are: type"},
    {BODY(", \"part\": {\"type\": \"leaf\", \"y\": 1}"), "/part/y",
     "is not known here; known are: type, variance, lengthscale, features"},
    {BODY(", \"part\": {\"type\": \"node\"}"), "/part/parts", "is required"},
    {BODY(", \"weights\": {\"a\": 0, \"b/~\": 1}"), "/weights/b~1~0", "must be in [-1, 1), got 1"},
    {BODY(", \"weights\": {\"a\": null}"), "/weights/a", "must be a number, got null"},
    {BODY(", \"weights\": [1]"), "/weights", "must be an object, got an array"},
    {BODY(", \"part\": {\"type\": \"node\", \"parts\": []}"), "/part/parts", "must have at least one part"},
    {BODY(", \"part\": {\"type\": \"node\", \"parts\": {}}"), "/part/parts",
     "must be an array, got an object"},
    {BODY(", \"part\": {\"type\": \"node\", \"parts\": [{\"type\": \"bare\"}, {\"type\": \"leaf\", "
          "\"variance\": 0}]}"),
     "/part/parts/1/variance", "must be in [1e-30, 1e+30], got 0"},
    {BODY(", \"rows\": [0, 1.5]"), "/rows/1", "must be an integer, got 1.5"},
    {BODY(", \"rows\": [0, -1]"), "/rows/1", "must be in [0, 1e+15], got -1"},
    {BODY(", \"rows\": 3"), "/rows", "must be an array, got a number"},
    {BODY(", \"numbers\": [1, true]"), "/numbers/1", "must be a number, got a boolean"},
    {BODY(", \"x\": []"), "/x", "must have at least one row"},
    {BODY(", \"x\": [[]]"), "/x/0", "must have at least one number"},
    {BODY(", \"x\": [1, 2]"), "/x/0", "must be an array, got a number"},
    {BODY(", \"x\": [[1, 2], [3, 4], [5]]"), "/x/2", "must be as long as the first row: 2 numbers, got 1"},
    {BODY(", \"y\": [1, [2]]"), "/y/1", "must be a number, got an array"},
    {BODY(", \"y\": [[1], 2]"), "/y/1", "must be an array, got a number"},
    {BODY(", \"y\": [[1, 2], [1]]"), "/y/1", "must be as long as the first row: 2 numbers, got 1"},
    {BODY(", \"y\": 1"), "/y", "must be an array, got a number"},
    {BODY(", \"cells\": [[1, \"a\"], [true, 2]]"), "/cells/1/0", "must be a number or a text, got a boolean"},
    {BODY(", \"cells\": [[1, \"a\"], [2]]"), "/cells/1",
     "must be as long as the first row: 2 numbers, got 1"},
    {BODY(", \"cells\": [[11, \"a\"]]"), "/cells/0/0", NULL},
    {BODY(", \"cells\": [\"a\"]"), "/cells/0", "must be an array, got a string"},
    {BODY(", \"scale\": 0"), "/scale", NULL},
    {BODY(", \"scale\": [1, 0]"), "/scale/1", NULL},
    {BODY(", \"scale\": \"1\""), "/scale", "must be a number, got a string"},
    {BODY(", \"x\": [[1, 2], [3, null]]"), "/x/1/1", "must be a number, got null"},
    {BODY(", \"names\": [\"a\", 1]"), "/names/1", "must be a string, got a number"},
    {BODY(", \"labels\": [\"a\"]"), "/labels", "must be an object, got an array"},
    {BODY(", \"labels\": {\"a\": \"b\", \"c/d\": 1}"), "/labels/c~1d", "must be a string, got a number"},
    {BODY(", \"values\": {\"a\": \"b\"}"), "/values/a", "must be a number, got a string"},
};

START_TEST(refusals_name_the_culprit)
{
    ck_refused(sizeof refusals / sizeof refusals[0], refusals);
}
END_TEST

START_TEST(pointers_start_where_the_caller_says)
{
    struct kr_ctx ctx;
    struct point point;
    json_t *json = json_pack("{s:i}", "at", 11);
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_wire_read(&ctx, &point_schema, json, "/a~1b/3", &point), KR_INVALID);
    ck_assert_str_eq(ctx.error.pointer, "/a~1b/3/at");
    json_decref(json);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(absent_members_get_their_defaults)
{
    static const char *const bodies[] = {
        BODY(""),
        BODY(", \"on\": null, \"count\": null, \"bytes\": null, \"seed\": null, \"share\": null, \"limit\": "
             "null, \"score\": null, "
             "\"text\": null, \"note\": null, \"colour\": null, \"row\": null, \"method\": null, \"maybe\": "
             "null, \"points\": null, "
             "\"part\": null, \"parts\": null, \"noise\": null, \"rows\": null, \"numbers\": null, \"x\": "
             "null, \"names\": null, "
             "\"labels\": null, \"values\": null, \"any\": null"),
    };
    for (int b = 0; b < 2; b++) {
        struct kr_ctx ctx;
        struct everything e;
        memset(&e, 0xff, sizeof e);
        OK(read_text(&ctx, &everything_schema, bodies[b], &e));
        ck_assert(e.on && e.count == 200 && e.bytes == 0 && e.seed == 7 && e.share == 0.5 && isnan(e.limit) &&
                  isnan(e.score));
        ck_assert_str_eq(e.text, "hello");
        ck_assert_ptr_null(e.note);
        ck_assert_int_eq(e.colour, 2);
        ck_assert_ptr_eq(e.row, &huber_row);
        ck_assert_ptr_null(e.method);
        ck_assert_ptr_eq(e.aim.loss.type, &mse_row);
        ck_assert_uint_eq(e.aim.folds, 5);
        ck_assert(!e.maybe && !e.points.count && !e.parts.count && !e.rows.count && !e.numbers.count &&
                  !e.x.rows);
        ck_assert(!e.names.count && !e.labels.count && !e.values.count && !e.any);
        ck_assert_ptr_eq(e.part.type, &leaf_row);
        ck_assert_double_eq(((struct leaf *)e.part.options)->variance.values[0].value, 1);
        ck_assert_double_eq(e.noise.values[0].value, 0.1);
        kr_ctx_fini(&ctx);
    }
}
END_TEST

START_TEST(numbers_and_names_arrive)
{
    struct kr_ctx ctx;
    struct everything e;
    OK(read_text(&ctx, &everything_schema,
                 "{\"needed\": 1, \"on\": false, \"count\": 1e3, \"bytes\": 1000000.0, \"seed\": "
                 "9007199254740991, \"share\": 1e-300, "
                 "\"limit\": -1, \"score\": -5, \"text\": \"\u00e9\\n\", \"note\": \"\", \"colour\": "
                 "\"red\", \"row\": \"mse\", "
                 "\"method\": \"auto\", \"aim\": {\"folds\": 2, \"scaled\": false, \"loss\": \"huber\"}}",
                 &e));
    ck_assert(e.needed == 1 && !e.on && e.count == 1000 && e.bytes == 1000000 && e.seed == 9007199254740991u);
    ck_assert(e.share == 1e-300 && e.limit == -1 && e.score == -5 && e.colour == 0);
    ck_assert_str_eq(e.text, "\u00e9\n");
    ck_assert_str_eq(e.note, "");
    ck_assert_ptr_eq(e.row, &mse_row);
    ck_assert_ptr_null(e.method);
    ck_assert_ptr_eq(e.aim.loss.type, &huber_row);
    const struct huber *huber = e.aim.loss.options;
    ck_assert(huber->delta == 1.345 && !huber->scaled && e.aim.folds == 2);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(arrays_and_maps_arrive)
{
    struct kr_ctx ctx;
    struct everything e;
    json_t *tree;
    const char *text =
        BODY(", \"method\": \"huber\", \"maybe\": {\"at\": -10}, \"points\": [{\"at\": 1}, {\"at\": 2, "
             "\"label\": \"b\"}], "
             "\"rows\": [3, 1e2], \"numbers\": [1.5, -2], \"x\": [[1, 2, 3], [4, 5, 6.5]], \"names\": "
             "[\"a\", \"\"], "
             "\"labels\": {\"team\": \"concrete\", \"b\": \"c\"}, \"values\": {\"p\": 0.25, \"q\": null}, "
             "\"weights\": {\"a/b\": -1}, \"parts\": [], \"any\": {\"z\": [1]}");
    kr_ctx_init(&ctx, 0);
    OK(kr_wire_parse(&ctx, &everything_schema, text, strlen(text), &e, &tree));
    ck_assert_ptr_eq(e.method, &huber_row);
    ck_assert_double_eq(e.maybe->at, -10);
    const struct point *points = e.points.items;
    ck_assert(e.points.count == 2 && points[0].at == 1 && !points[0].label && points[1].at == 2);
    ck_assert_str_eq(points[1].label, "b");
    ck_assert(e.rows.count == 2 && e.rows.items[0] == 3 && e.rows.items[1] == 100);
    ck_assert(e.numbers.count == 2 && e.numbers.items[0] == 1.5 && e.numbers.items[1] == -2);
    ck_assert(e.x.rows == 2 && e.x.cols == 3 && e.x.items[2] == 3 && e.x.items[3] == 4 &&
              e.x.items[5] == 6.5);
    ck_assert(e.names.count == 2 && e.names.items[1][0] == 0);
    ck_assert_uint_eq(e.labels.count, 2);
    ck_assert_str_eq(e.labels.names[0], "team");
    ck_assert_str_eq(e.labels.texts[0], "concrete");
    ck_assert(e.values.count == 2 && e.values.values[0] == 0.25 && isnan(e.values.values[1]));
    ck_assert(e.weights.count == 1 && e.weights.values[0] == -1 && e.parts.count == 0);
    ck_assert_str_eq(e.weights.names[0], "a/b");
    ck_assert_ptr_eq(e.any, json_object_get(tree, "any"));
    json_decref(tree);
    ck_assert_str_eq(e.names.items[0], "a"); /* copied, not borrowed */
    kr_ctx_fini(&ctx);
}
END_TEST

/* A node in a node ... with `depth` parts on the way, as a tree: text would meet its own limit. */
static kr_status read_nested(struct kr_ctx *ctx, int depth)
{
    struct everything e;
    json_t *part = json_pack("{s:s}", "type", "bare");
    for (int i = 1; i < depth; i++)
        part = json_pack("{s:s, s:[o]}", "type", "node", "parts", part);
    json_t *json = json_pack("{s:f, s:{s:s}, s:o}", "needed", 0.5, "aim", "loss", "mse", "part", part);
    kr_ctx_init(ctx, 0);
    kr_status status = kr_wire_read(ctx, &everything_schema, json, "", &e);
    json_decref(json);
    return status;
}

START_TEST(variants_nest_to_a_limit)
{
    struct kr_ctx ctx;
    OK(read_nested(&ctx, KR_KERNEL_DEPTH));
    kr_ctx_fini(&ctx);
    ck_assert_int_eq(read_nested(&ctx, KR_KERNEL_DEPTH + 1), KR_INVALID);
    ck_assert_str_eq(ctx.error.detail, "is nested deeper than 32 levels");
    ck_assert_int_eq(strncmp(ctx.error.pointer, "/part/parts/0/parts/0", 21), 0);
    kr_ctx_fini(&ctx);
    ck_assert_int_eq(read_nested(&ctx, 10000), KR_INVALID);
    kr_ctx_fini(&ctx);
}
END_TEST

START_TEST(an_exhausted_arena_is_reported)
{
    const char *text =
        BODY(", \"part\": {\"type\": \"node\", \"parts\": [{\"type\": \"leaf\"}]}, \"labels\": {\"a\": "
             "\"b\"}, \"names\": "
             "[\"c\"], \"x\": [[1]], \"rows\": [1], \"maybe\": {\"at\": 1}, \"values\": {\"a\": 1}");
    int failed = 0;
    for (size_t held = 0; held < 100; held++) {
        struct kr_ctx ctx;
        struct everything e;
        kr_ctx_init(&ctx, 256 * 1024); /* one chunk, filled up to `held` blocks from its end */
        ck_assert_ptr_nonnull(kr_alloc(&ctx, 4000, 16));
        for (size_t i = 1000 + held; i < 4096; i++)
            ck_assert_ptr_nonnull(kr_alloc(&ctx, 1, 64));
        kr_status status = kr_wire_parse(&ctx, &everything_schema, text, strlen(text), &e, NULL);
        ck_assert(status == KR_OK || status == KR_MEMORY_LIMIT);
        failed += status != KR_OK;
        kr_ctx_fini(&ctx);
    }
    ck_assert_int_ge(failed, 10);
    ck_assert_int_lt(failed, 100);
}
END_TEST

START_TEST(a_ragged_matrix_claims_no_memory)
{
    struct kr_ctx ctx;
    struct everything e;
    size_t wide = 20000;
    char *text = calloc(wide * 6 + 200, 1),
         *at = stpcpy(text, "{\"needed\": 1, \"aim\": {\"loss\": \"mse\"}, \"x\": [[1");
    for (size_t i = 1; i < wide; i++)
        at = stpcpy(at, ",1");
    at = stpcpy(at, "]");
    for (size_t i = 0; i < wide; i++)
        at = stpcpy(at, ",[]");
    strcpy(at, "]}");
    ck_assert_int_eq(read_text(&ctx, &everything_schema, text, &e), KR_INVALID);
    ck_assert_str_eq(ctx.error.pointer, "/x/1");
    ck_assert_uint_lt(ctx.peak, 1000000);
    kr_ctx_fini(&ctx);
    free(text);
}
END_TEST

START_TEST(a_failed_parse_leaves_no_tree)
{
    struct kr_ctx ctx;
    struct point point;
    json_t *tree = (json_t *)&ctx;
    kr_ctx_init(&ctx, 0);
    ck_assert_int_eq(kr_wire_parse(&ctx, &point_schema, "{}", 2, &point, &tree), KR_INVALID);
    ck_assert_ptr_null(tree);
    kr_ctx_clear_error(&ctx);
    tree = (json_t *)&ctx;
    ck_assert_int_eq(kr_wire_parse(&ctx, &point_schema, "{", 1, &point, &tree), KR_MALFORMED);
    ck_assert_ptr_null(tree);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("read", refusals_name_the_culprit, pointers_start_where_the_caller_says,
      absent_members_get_their_defaults, numbers_and_names_arrive, arrays_and_maps_arrive,
      variants_nest_to_a_limit, an_exhausted_arena_is_reported, a_ragged_matrix_claims_no_memory,
      a_failed_parse_leaves_no_tree)
