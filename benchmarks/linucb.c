/* Disjoint LinUCB scores from raw sums, the peer that the Python kernel is measured against.
   The same job in the same order of operations as policies/ridge.py; no FMA, so the same bits. */
#include <math.h>
#include <stdint.h>

void upper_bounds(int64_t n, int64_t width, const int64_t *offsets, const double *context,
                  const int64_t *slot, const double *gram, const double *moment, double alpha,
                  double lambda, double *out) {
    double chol[32][32], z[32], y[32];
    int64_t triangle = width * (width + 1) / 2;
    for (int64_t i = 0; i < n; i++) {
        int64_t held = -1;
        for (int64_t c = offsets[i]; c < offsets[i + 1]; c++) {
            if (slot[c] != held) {
                held = slot[c];
                const double *g = gram + held * triangle;
                for (int64_t r = 0; r < width; r++) {
                    for (int64_t j = 0; j <= r; j++) {
                        double entry = *g++;
                        if (r == j) entry += lambda;
                        for (int64_t h = 0; h < j; h++) entry -= chol[r][h] * chol[j][h];
                        chol[r][j] = r == j ? sqrt(entry > lambda ? entry : lambda) : entry / chol[j][j];
                    }
                    double entry = moment[held * width + r];
                    for (int64_t h = 0; h < r; h++) entry -= chol[r][h] * z[h];
                    z[r] = entry / chol[r][r];
                }
            }
            double mean = 0.0, square = 0.0;
            for (int64_t j = 0; j < width; j++) {
                double entry = context[c * width + j];
                for (int64_t h = 0; h < j; h++) entry -= chol[j][h] * y[h];
                y[j] = entry / chol[j][j];
                mean += y[j] * z[j];
                square += y[j] * y[j];
            }
            out[c] = mean + alpha * sqrt(square);
        }
    }
}
