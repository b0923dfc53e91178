#include "kriged/data.h"

#include "suite.h"

START_TEST(rows_become_columns)
{
    struct kr_ctx ctx;
    double in[70 * 45], *out;
    const size_t shapes[][2] = {{1, 1}, {1, 45}, {70, 1}, {70, 45}, {32, 32}, {33, 31}};
    for (int i = 0; i < 70 * 45; i++)
        in[i] = i;
    kr_ctx_init(&ctx, 0);
    for (int s = 0; s < 6; s++) {
        size_t rows = shapes[s][0], cols = shapes[s][1];
        ck_assert_int_eq(kr_transpose(&ctx, rows, cols, in, &out), KR_OK);
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < cols; j++)
                ck_assert_double_eq(out[j * rows + i], in[i * cols + j]);
    }
    ck_assert_int_eq(kr_transpose(&ctx, SIZE_MAX / 2, 4, in, &out), KR_MEMORY_LIMIT);
    kr_ctx_fini(&ctx);
}
END_TEST

SUITE("transpose", rows_become_columns)
