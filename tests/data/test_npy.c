#include "kriged/data.h"

#include "suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kr_ctx ctx;
static char directory[64];
static const double x[] = {1, 2, 3, 4, 5, 6}, y[] = {-1, -2, -3}, noise[] = {0, .5, 1};
static const struct kr_dataset sample = {.n = 3, .d = 2, .x = x, .y = y, .noise_variance = noise};

static char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void setup(void)
{
    kr_ctx_init(&ctx, 0);
    strcpy(directory, "/tmp/kriged-npy-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
}

static void teardown(void)
{
    unlink(path_of("x.npy"));
    unlink(path_of("y.npy"));
    unlink(path_of("noise.npy"));
    rmdir(directory);
    kr_ctx_fini(&ctx);
}

START_TEST(what_is_saved_is_mapped)
{
    struct kr_dataset back = {.target_name = "kept"};
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_OK);
    ck_assert_uint_eq(back.n, 3);
    ck_assert_uint_eq(back.d, 2);
    ck_assert_uint_eq(back.targets, 1);
    ck_assert_mem_eq(back.x, x, sizeof x);
    ck_assert_mem_eq(back.y, y, sizeof y);
    ck_assert_mem_eq(back.noise_variance, noise, sizeof noise);
    ck_assert_uint_eq((uintptr_t)back.x % 64, 0);
    ck_assert_str_eq(back.target_name, "kept");
    kr_dataset_unmap(&back);
    ck_assert_ptr_null(back.mapping);
    kr_dataset_unmap(&back);
}
END_TEST

START_TEST(noise_is_optional)
{
    struct kr_dataset plain = sample, back = {0};
    plain.noise_variance = NULL;
    ck_assert_int_eq(kr_dataset_save(&ctx, &plain, directory), KR_OK);
    ck_assert_int_ne(access(path_of("noise.npy"), F_OK), 0);
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_OK);
    ck_assert_ptr_null(back.noise_variance);
    kr_dataset_unmap(&back);
}
END_TEST

START_TEST(several_targets_have_rows_of_their_own)
{
    const double two[] = {1, 2, 3, 10, 20, 30};
    struct kr_dataset several = sample, back = {0};
    several.y = two;
    several.targets = 2;
    ck_assert_int_eq(kr_dataset_save(&ctx, &several, directory), KR_OK);
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_OK);
    ck_assert_uint_eq(back.targets, 2);
    ck_assert_uint_eq(back.n, 3);
    ck_assert_mem_eq(back.y, two, sizeof two);
    kr_dataset_unmap(&back);
    ck_assert_int_eq(truncate(path_of("y.npy"), 128 + 24), 0);
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_INTERNAL);
    kr_dataset_unmap(&back);
}
END_TEST

START_TEST(the_file_is_npy)
{
    char bytes[256];
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    FILE *file = fopen(path_of("x.npy"), "rb");
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    const char *dict = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }";
    ck_assert_uint_eq(size, 128 + sizeof x);
    ck_assert_mem_eq(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    ck_assert_mem_eq(bytes + 10, dict, strlen(dict));
    ck_assert_int_eq(bytes[127], '\n');
    ck_assert_mem_eq(bytes + 128, x, sizeof x);
}
END_TEST

START_TEST(nothing_is_overwritten)
{
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_STORAGE);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, "x.npy"));
}
END_TEST

START_TEST(missing_files_are_storage_errors)
{
    struct kr_dataset back = {0};
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_STORAGE);
    ck_assert_ptr_null(back.mapping);
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_dataset_map(&ctx, "/nonexistent/kriged", &back), KR_STORAGE);
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, "/nonexistent/kriged"), KR_STORAGE);
    kr_ctx_clear_error(&ctx);
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    unlink(path_of("y.npy"));
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_STORAGE);
}
END_TEST

static void expect_damage(const char *name)
{
    struct kr_dataset back = {0};
    ck_assert_int_eq(kr_dataset_map(&ctx, directory, &back), KR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(ctx.error.detail, name));
    ck_assert_ptr_null(back.mapping);
    kr_ctx_clear_error(&ctx);
}

START_TEST(damage_is_found)
{
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    ck_assert_int_eq(truncate(path_of("noise.npy"), 128 + 16), 0);
    expect_damage("noise.npy");
    ck_assert_int_eq(truncate(path_of("y.npy"), 128 + 32), 0);
    expect_damage("y.npy");
    for (off_t size = 0; size < 128 + (off_t)sizeof x; size += 7) {
        kr_ctx_clear_error(&ctx);
        ck_assert_int_eq(truncate(path_of("x.npy"), size), 0);
        expect_damage("x.npy");
    }
}
END_TEST

START_TEST(a_damaged_header_is_found)
{
    char header[128];
    ck_assert_int_eq(kr_dataset_save(&ctx, &sample, directory), KR_OK);
    int fd = open(path_of("x.npy"), O_RDWR);
    ck_assert_int_eq(pread(fd, header, 128, 0), 128);
    for (size_t i = 0; i < sizeof header; i++) {
        ck_assert_int_eq(pwrite(fd, "7", 1, (off_t)i), 1);
        struct kr_dataset back = {0};
        ck_assert_msg(kr_dataset_map(&ctx, directory, &back) == KR_INTERNAL, "byte %zu", i);
        kr_dataset_unmap(&back);
        kr_ctx_clear_error(&ctx);
        ck_assert_int_eq(pwrite(fd, header + i, 1, (off_t)i), 1);
    }
    close(fd);
}
END_TEST

Suite *suite(void)
{
    Suite *made = suite_create("npy");
    TCase *tcase = tcase_create("npy");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, what_is_saved_is_mapped);
    tcase_add_test(tcase, noise_is_optional);
    tcase_add_test(tcase, several_targets_have_rows_of_their_own);
    tcase_add_test(tcase, the_file_is_npy);
    tcase_add_test(tcase, nothing_is_overwritten);
    tcase_add_test(tcase, missing_files_are_storage_errors);
    tcase_add_test(tcase, damage_is_found);
    tcase_add_test(tcase, a_damaged_header_is_found);
    suite_add_tcase(made, tcase);
    return made;
}
