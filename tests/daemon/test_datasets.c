/* Data sets: what is stored, listed and deleted. Their refusals are in test_uploads.c. */
#include "daemon_fixture.h"

static const char table[] = "a,b,n,y\n1,2,0.1,3\n4,5,0.2,6\n7,8,0.3,9.5\n";

START_TEST(put_and_get)
{
    json_t *data = wave(5, 2, 1);
    json_object_set(data, "feature_names", json_of("['left', 'right']"));
    json_object_set(data, "target_name", json_of("'height'"));
    struct answer made = send_json("PUT", "/v1/datasets/first", data);
    ck_status(made, 201);
    ck_assert_str_eq(header_of(&made, "Location"), "/v1/datasets/first");
    MEMBERS(made.json, "name", "rows", "features", "targets", "feature_names", "target_name", "sha256",
            "bytes", "created_at", "columns", "warnings");
    ck_assert_str_eq(text_at(made.json, "/name"), "first");
    ck_assert_int_eq((int)number_at(made.json, "/rows"), 5);
    ck_assert_int_eq((int)number_at(made.json, "/features"), 2);
    ck_assert_int_eq((int)number_at(made.json, "/targets"), 1);
    ck_assert_int_eq((int)number_at(made.json, "/bytes"), (int)strlen(dump(data)));
    ck_assert_int_eq((int)strlen(text_at(made.json, "/sha256")), 64);
    ck_assert_str_eq(text_at(made.json, "/feature_names/1"), "right");
    ck_assert_str_eq(text_at(made.json, "/target_name"), "height");
    ck_assert_int_eq((int)count_at(made.json, "/columns"), 3);
    MEMBERS(at(made.json, "/columns/2"), "name", "min", "max", "mean", "sd");
    struct answer got = get("/v1/datasets/first");
    ck_status(got, 200);
    ck_assert_str_eq(got.body, made.body);
    struct answer again = send_json("PUT", "/v1/datasets/first", data);
    ck_status(again, 200);
    ck_assert_str_eq(again.body, made.body);
}
END_TEST

START_TEST(csv_and_its_options)
{
    struct answer plain = send_text("PUT", "/v1/datasets/csv", "text/csv", table);
    ck_status(plain, 201);
    ck_assert_int_eq((int)number_at(plain.json, "/features"), 3);
    ck_assert_str_eq(text_at(plain.json, "/target_name"), "y");
    ck_assert_double_eq(number_at(plain.json, "/columns/3/max"), 9.5);
    ck_status(send_text("PUT", "/v1/datasets/csv", "text/csv; charset=utf-8", table), 200);
    is_problem(send_text("PUT", "/v1/datasets/csv", "text/csv", "a,y\n1,2\n3,4\n"), 409, "conflict", NULL,
               "other bytes");
    is_problem(send_text("PUT", "/v1/datasets/csv?target=a", "text/csv", table), 409, "conflict", NULL,
               "other options");
    struct answer named = send_text("PUT", "/v1/datasets/csv-2?target=b&noise_variance=n", "text/csv", table);
    ck_status(named, 201);
    ck_assert_int_eq((int)number_at(named.json, "/features"), 2);
    ck_assert_str_eq(text_at(named.json, "/target_name"), "b");
    ck_assert_str_eq(text_at(named.json, "/feature_names/1"), "y");
    struct answer indexed = send_text("PUT", "/v1/datasets/csv-3?target=0", "text/csv", table);
    ck_assert_str_eq(text_at(indexed.json, "/target_name"), "a");
    struct answer dropped =
        send_text("PUT", "/v1/datasets/csv-4?missing=drop", "text/csv", "a,y\n1,2\n,3\n4,NA\n5,6\n7,nan\n");
    ck_status(dropped, 201);
    ck_assert_int_eq((int)number_at(dropped.json, "/rows"), 2);
    ck_assert_ptr_nonnull(strstr(text_at(dropped.json, "/warnings/0"), "3 rows"));
    struct answer bare = send_text("PUT", "/v1/datasets/csv-5", "text/csv", "1,2,3\r\n4,5,6\r\n");
    ck_assert_str_eq(text_at(bare.json, "/feature_names/1"), "x2");
    ck_assert_int_eq((int)number_at(bare.json, "/rows"), 2);
}
END_TEST

START_TEST(warnings)
{
    struct answer made =
        send_text("PUT", "/v1/datasets/odd", "text/csv", "a,b,c,y\n1,1,7,1\n2,2,7,2\n2,2,7,3\n");
    ck_status(made, 201);
    ck_assert_int_ge((int)count_at(made.json, "/warnings"),
                     3); /* repeated inputs, identical and constant columns */
}
END_TEST

START_TEST(post)
{
    json_t *data = wave(4, 1, 2), *named = with(data, "/name", "'posted'");
    struct answer made = send_json("POST", "/v1/datasets", named);
    ck_status(made, 201);
    ck_assert_str_eq(header_of(&made, "Location"), "/v1/datasets/posted");
    ck_assert_str_eq(get("/v1/datasets/posted").body, made.body);
    ck_status(send_json("POST", "/v1/datasets", named), 200);
    struct answer anonymous = send_json("POST", "/v1/datasets", data),
                  other = send_json("POST", "/v1/datasets", data);
    ck_status(anonymous, 201);
    ck_status(other, 201);
    ck_assert_str_ne(text_at(anonymous.json, "/name"), text_at(other.json, "/name"));
    ck_assert_str_eq(header_of(&other, "Location"), text("/v1/datasets/%s", text_at(other.json, "/name")));
    ck_status(get(header_of(&other, "Location")), 200);
    ck_status(send_text("POST", "/v1/datasets?name=by-query", "text/csv", table), 201);
    ck_status(get("/v1/datasets/by-query"), 200);
}
END_TEST

static const char *const bad_names[] = {
    "Upper",     ".hidden",       "-dash",
    "_under",    "white%20space", "sla%2Fsh",
    "caf%C3%A9", "a%00b",         "0123456789012345678901234567890123456789012345678901234567890123-"};

START_TEST(refused_names)
{
    json_t *data = wave(3, 1, 3);
    const int before = entries("datasets");
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++) {
        struct answer refused = send_json("PUT", text("/v1/datasets/%s", bad_names[i]), data);
        if (strstr(bad_names[i], "%00"))
            ck_assert_msg(refused.status >= 400 && refused.status < 500, "%s: %ld", bad_names[i],
                          refused.status);
        else
            is_problem(refused, 422, "invalid", "/name", bad_names[i]);
    }
    struct answer refused = send_json("POST", "/v1/datasets", with(data, "/name", "'A b'"));
    is_problem(refused, 422, "invalid", "/name", "POST");
    ck_assert_int_eq(entries("datasets"), before);
    ck_status(send_json("PUT", "/v1/datasets/0.a_b-c", data), 201);
    ck_status(send_json("PUT", text("/v1/datasets/%.64s", bad_names[8]), data), 201);
}
END_TEST

/* Pages of `size` hold every data set once, newest first. */
static void walk(int size, size_t total)
{
    const char *token = "", *before = "~";
    size_t seen = 0;
    char *names = text("%s", " ");
    for (int page = 0; page < 100; page++) {
        struct answer list =
            get(text("/v1/datasets?page_size=%d%s%s", size, *token ? "&page_token=" : "", token));
        ck_status(list, 200);
        const size_t count = count_at(list.json, "/datasets");
        ck_assert_int_le((int)count, size);
        for (size_t i = 0; i < count; i++) {
            const char *name = text_at(list.json, text("/datasets/%zu/name", i)),
                       *made = text_at(list.json, text("/datasets/%zu/created_at", i));
            ck_assert_int_le(strcmp(made, before), 0);
            ck_assert_msg(!strstr(names, text(" %s ", name)), "%s comes twice", name);
            names = text("%s%s ", names, name);
            before = made;
        }
        seen += count;
        if (!find(list.json, "/next_page_token"))
            break;
        ck_assert_int_eq((int)count, size);
        token = text_at(list.json, "/next_page_token");
    }
    ck_assert_uint_eq(seen, total);
}

START_TEST(pages)
{
    json_t *data = wave(3, 1, 4);
    for (int i = 0; i < 12; i++)
        ck_status(send_json("PUT", text("/v1/datasets/page-%d", i), data), 201);
    const size_t total = count_at(get("/v1/datasets?page_size=1000").json, "/datasets");
    walk(1, total);
    walk(5, total);
    walk((int)total, total);
    struct answer first = get("/v1/datasets?page_size=2");
    ck_assert_str_eq(text_at(first.json, "/datasets/0/name"), "page-11");
    const char *token = text_at(first.json, "/next_page_token");
    ck_status(ask("DELETE", "/v1/datasets/page-10", NULL, 0, NULL),
              204); /* the last of that page: the next one stays the same */
    struct answer second = get(text("/v1/datasets?page_size=2&page_token=%s", token));
    ck_assert_str_eq(text_at(second.json, "/datasets/0/name"), "page-9");
    static const char *const bad[][2] = {{"page_size=0", "/page_size"},
                                         {"page_size=1001", "/page_size"},
                                         {"page_size=x", "/page_size"},
                                         {"page_size=-1", "/page_size"},
                                         {"page_size=", "/page_size"},
                                         {"page_token=x", "/page_token"},
                                         {"page_token=%27", "/page_token"},
                                         {"pagesize=3", "/pagesize"},
                                         {"page_size=1&page_size=2", "/page_size"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct answer refused = get(text("/v1/datasets?%s", bad[i][0]));
        is_problem(refused, 422, "invalid", bad[i][1], bad[i][0]);
    }
}
END_TEST

START_TEST(delete_)
{
    ck_status(send_json("PUT", "/v1/datasets/short-lived", wave(3, 1, 5)), 201);
    const int before = entries("datasets");
    struct answer gone = ask("DELETE", "/v1/datasets/short-lived", NULL, 0, NULL);
    ck_status(gone, 204);
    ck_assert_uint_eq(gone.length, 0);
    ck_assert_int_eq(entries("datasets"), before - 1);
    struct answer missing = ask("DELETE", "/v1/datasets/short-lived", NULL, 0, NULL);
    is_problem(missing, 404, "not-found", NULL, "a second time");
    missing = get("/v1/datasets/short-lived");
    is_problem(missing, 404, "not-found", NULL, "get");
    ck_status(send_json("PUT", "/v1/datasets/short-lived", wave(3, 1, 6)), 201); /* the name is free again */
}
END_TEST

START_TEST(delete_while_needed)
{
    ck_status(send_json("PUT", "/v1/datasets/needed", wave(700, 2, 7)), 201);
    struct answer job = send_json("POST", "/v1/jobs",
                                  json_of("{'dataset': 'needed', 'model': {'kernel': {'type': 'rbf'}}, "
                                          "'objective': {'loss': 'nlpd', 'validation': {'type':"
                                          "'fraction'}}, 'optimizer': {'type': 'adam', 'max_evaluations': "
                                          "100000, 'gradient_tolerance': 0}}"));
    ck_status(job, 202);
    struct answer refused = ask("DELETE", "/v1/datasets/needed", NULL, 0, NULL);
    is_problem(refused, 409, "conflict", NULL, "needed");
    ck_assert_ptr_nonnull(strstr(text_at(refused.json, "/detail"), text_at(job.json, "/id")));
    ck_status(send_text("POST", text_at(job.json, "/links/cancel"), "application/json", ""), 202);
    struct answer ended = ask("GET", text_at(job.json, "/links/self"), NULL, 0, HEADERS("Prefer: wait=20"));
    ck_assert_str_eq(text_at(ended.json, "/state"), "cancelled");
    ck_status(ask("DELETE", "/v1/datasets/needed", NULL, 0, NULL), 204);
}
END_TEST

START_TEST(concrete)
{
    char bytes[60000];
    FILE *file = fopen("clients/data/concrete.csv", "rb");
    ck_assert_ptr_nonnull(file);
    const size_t length = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    struct answer made =
        ask("PUT", "/v1/datasets/concrete", bytes, length, HEADERS("Content-Type: text/csv"));
    ck_status(made, 201);
    ck_assert_int_eq((int)number_at(made.json, "/rows"), 1030);
    ck_assert_int_eq((int)number_at(made.json, "/features"), 8);
    ck_assert_int_eq((int)number_at(made.json, "/bytes"), (int)length);
    ck_assert_str_eq(text_at(made.json, "/target_name"), "strength");
    ck_assert_str_eq(text_at(made.json, "/warnings/0"), "38 rows repeat the inputs of an earlier row");
}
END_TEST

DAEMON_SUITE("datasets", put_and_get, csv_and_its_options, warnings, post, refused_names, pages, delete_,
             delete_while_needed, concrete)
