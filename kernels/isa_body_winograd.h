// The transforms of isa_body.h, part of it: Winograd's minimal filtering (Lavin and Gray 2015), one vector of channels
// at a time. The filters' transforms are in transform_filters.cpp.

// ---- Winograd F(4x4,3x3), points 0, +-sqrt2/2, +-sqrt2, infinity ----------------------------------------------------
// B^T (6x6) and A^T (4x6) of these points; G in transform_filters.cpp. Half the rounding error of the usual 0,+-1,+-2.
inline void transform_bt(const V r[6], V o[6]) {
  const V q = splat(kSqrt2), h = splat(kSqrt2 / 2), c25 = splat(-2.5f);
  const V a = r[1] * q - r[3] * h, b = fma(r[2], splat(-2.f), r[4]);
  const V c = r[3] * q - r[1] * h, d = fma(r[2], splat(-0.5f), r[4]);
  o[0] = fma(r[2], c25, r[0] + r[4]);
  o[1] = b - a;
  o[2] = b + a;
  o[3] = d + c;
  o[4] = d - c;
  o[5] = fma(r[3], c25, r[1] + r[5]);
}

inline void transform_at(const V r[6], V o[4]) {
  const V p = r[1] + r[2], m = r[1] - r[2], big_p = r[3] + r[4], big_m = r[3] - r[4];
  o[0] = r[0] + p + big_p;
  o[1] = fma(big_m, splat(kSqrt2), m * splat(kSqrt2 / 2));
  o[2] = fma(big_p, splat(2.f), p * splat(0.5f));
  o[3] = fma(big_m, splat(2 * kSqrt2), m * splat(kSqrt2 / 4)) + r[5];
}

// The input transforms are separable. The first pass turns the kIn rows of the region into kOut rows, column by column,
// straight from the activation with its prologue; neighbouring tiles share it. The second works along those rows, tile
// by tile.
template <class Transform, class Source, Prologue P>
void transform_columns(const PackBlock& job, float* columns) {
  const Prologued<Source, P> value(job);
  const int64_t row_floats = job.w * Source::kPixelFloats;
  const int64_t first = job.x0 < 0 ? -job.x0 : 0;
  const int64_t last = job.x0 + job.cols > job.w ? job.w - job.x0 : job.cols;
  const auto zero = [&](int64_t from, int64_t to) {
    for (int r = 0; r < Transform::kOut; ++r) zero_pixels(columns + (r * job.cols + from) * 16, to - from);
  };
  zero(0, first);
  zero(last, job.cols);
  const float* source = job.src + job.y0 * row_floats + (job.x0 + first) * Source::kPixelFloats;
  for (int64_t i = first; i < last; ++i, source += Source::kPixelFloats)
    for (int part = 0; part < kParts; ++part) {
      V in[Transform::kIn], out[Transform::kOut];
      for (int r = 0; r < Transform::kIn; ++r) in[r] = value(source + r * row_floats, part);
      Transform::apply(in, out);
      for (int r = 0; r < Transform::kOut; ++r) store(columns + (r * job.cols + i) * 16 + part * kLanes, out[r]);
    }
}

template <class Transform, class Source>
void transform_columns_of(const PackBlock& job, float* columns) {
  if (job.bias != nullptr) return transform_columns<Transform, Source, Prologue::feature>(job, columns);
  if (job.scale != nullptr) return transform_columns<Transform, Source, Prologue::scale>(job, columns);
  transform_columns<Transform, Source, Prologue::copy>(job, columns);
}

// scratch: kIn + kOut rows of job.cols pixels. Returns the transformed columns.
template <class Transform>
const float* transformed_columns(const PackBlock& job, float* scratch) {
  float* columns = scratch + Transform::kIn * job.cols * 16;
  const bool rows_inside = job.y0 >= 0 && job.y0 + job.rows <= job.h;
  const bool columns_inside = job.x0 >= 0 && job.x0 + job.cols <= job.w;
  if (!rows_inside || job.shift != 0 || (job.reflect && !columns_inside)) {
    PackBlock packed = job;
    packed.dst = scratch;
    packed.bf16 = false;
    pack(packed);
    PackBlock region{};
    region.src = scratch;
    region.h = region.rows = job.rows;
    region.w = region.cols = job.cols;
    transform_columns<Transform, Stored, Prologue::copy>(region, columns);
  } else if (job.stem_weight != nullptr) {
    transform_columns_of<Transform, Stem>(job, columns);
  } else {
    transform_columns_of<Transform, Stored>(job, columns);
  }
  return columns;
}

struct WinogradColumn {
  static constexpr int kIn = 6, kOut = 6;
  static void apply(const V in[6], V out[6]) { transform_bt(in, out); }
};

template <class Out>
void winograd_rows(const float* columns, int64_t cols, int64_t tiles, float* v_out, int64_t v_stride) {
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      float* d = v_out + t * 16 + part * kLanes;
      for (int i = 0; i < 6; ++i) {
        const float* s = columns + (i * cols + 4 * t) * 16 + part * kLanes;
        V in[6], out[6];
        for (int j = 0; j < 6; ++j) in[j] = load(s + j * 16);
        transform_bt(in, out);
        for (int j = 0; j < 6; ++j) Out::put(d + (i * 6 + j) * v_stride, out[j]);
      }
    }
}

void winograd_input(const PackBlock& job, int64_t tiles, float* scratch, float* v, int64_t v_stride) {
  const float* columns = transformed_columns<WinogradColumn>(job, scratch);
  if (job.bf16) return winograd_rows<Bf16>(columns, job.cols, tiles, v, v_stride);
  winograd_rows<Full>(columns, job.cols, tiles, v, v_stride);
}

void winograd_output(const Epilogue& e, const float* m, int64_t m_stride, int64_t tiles, const OutputRows& to) {
  const EpilogueRegisters finish(e);
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      const float* s = m + t * 16 + part * kLanes;
      V once[4][6];
      for (int j = 0; j < 6; ++j) {
        V column[6], o[4];
        for (int i = 0; i < 6; ++i) column[i] = load(s + (i * 6 + j) * m_stride);
        transform_at(column, o);
        for (int i = 0; i < 4; ++i) once[i][j] = o[i];
      }
      for (int i = 0; i < 4; ++i) {
        V o[4];
        transform_at(once[i], o);
        for (int j = 0; j < 4; ++j) finish.put(o[j], part, to, i * to.stride + (t * 4 + j) * 16 + part * kLanes);
      }
    }
}

// ---- nested F(3,2), points 0, 1, -1, infinity -----------------------------------------------------------------------
// A stride-2 kernel of three taps is, in each direction, a two-tap filter on every second sample and a single tap on
// the others. The two-tap part takes four multiplications for three results, the single tap three: seven of each tile
// row and column, 49 planes in the order of kNested (transform_gemm.h).
constexpr int kEven = 33, kOddColumn = 21, kOddRow = 9, kOdd = 0;  // first plane of each kind

inline void nested_bt(const V d[4], V o[4]) {
  o[0] = d[0] - d[2];
  o[1] = d[1] + d[2];
  o[2] = d[2] - d[1];
  o[3] = d[3] - d[1];
}

inline void nested_at(const V m[4], V o[3]) {
  const V p = m[1] + m[2];
  o[0] = m[0] + p;
  o[1] = m[1] - m[2];
  o[2] = p + m[3];
}

// Up: two-tap samples j = 0 ... 3, single-tap samples 1, 2, 3; a tile advances by 3. Rows 0 ... 3 of the transformed
// columns are the two-tap ones, 4 ... 6 the others.
struct NestedUpColumn {
  static constexpr int kIn = 4, kOut = 7;
  static void apply(const V in[4], V out[7]) {
    nested_bt(in, out);
    for (int r = 0; r < 3; ++r) out[4 + r] = in[1 + r];
  }
};

template <class Out>
void nested_up_rows(const float* columns, int64_t cols, int64_t tiles, float* v_out, int64_t v_stride) {
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      float* d = v_out + t * 16 + part * kLanes;
      const auto read = [&](int row, V(&in)[4], V(&out)[4]) {
        const float* s = columns + (row * cols + 3 * t) * 16 + part * kLanes;
        for (int j = 0; j < 4; ++j) in[j] = load(s + j * 16);
        nested_bt(in, out);
      };
      V in[4], out[4];
      for (int r = 0; r < 4; ++r) {
        read(r, in, out);
        for (int c = 0; c < 4; ++c) Out::put(d + (kEven + r * 4 + c) * v_stride, out[c]);
        for (int c = 0; c < 3; ++c) Out::put(d + (kOddColumn + r * 3 + c) * v_stride, in[1 + c]);
      }
      for (int r = 0; r < 3; ++r) {
        read(4 + r, in, out);
        for (int c = 0; c < 4; ++c) Out::put(d + (kOddRow + c * 3 + r) * v_stride, out[c]);
        for (int c = 0; c < 3; ++c) Out::put(d + (kOdd + r * 3 + c) * v_stride, in[1 + c]);
      }
    }
}

void nested_up_input(const PackBlock& job, int64_t tiles, float* scratch, float* v, int64_t v_stride) {
  const float* columns = transformed_columns<NestedUpColumn>(job, scratch);
  if (job.bf16) return nested_up_rows<Bf16>(columns, job.cols, tiles, v, v_stride);
  nested_up_rows<Full>(columns, job.cols, tiles, v, v_stride);
}

// Down: two-tap samples 2j, single-tap samples 2j + 1; a tile advances by 6.
template <class Out>
void nested_down_tiles(const float* region, int64_t region_cols, int64_t tiles, float* v_out, int64_t v_stride) {
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      const float* s = region + t * 6 * 16 + part * kLanes;
      float* d = v_out + t * 16 + part * kLanes;
      const auto at = [&](int row, int col) { return load(s + (row * region_cols + col) * 16); };
      V once[4][4];  // [row point][two-tap column]
      for (int c = 0; c < 4; ++c) {
        V column[4], out[4];
        for (int r = 0; r < 4; ++r) column[r] = at(2 * r, 2 * c);
        nested_bt(column, out);
        for (int r = 0; r < 4; ++r) once[r][c] = out[r];
      }
      for (int r = 0; r < 4; ++r) {
        V out[4];
        nested_bt(once[r], out);
        for (int c = 0; c < 4; ++c) Out::put(d + (kEven + r * 4 + c) * v_stride, out[c]);
      }
      for (int c = 0; c < 3; ++c) {
        V column[4], out[4];
        for (int r = 0; r < 4; ++r) column[r] = at(2 * r, 2 * c + 1);
        nested_bt(column, out);
        for (int r = 0; r < 4; ++r) Out::put(d + (kOddColumn + r * 3 + c) * v_stride, out[r]);
      }
      for (int r = 0; r < 3; ++r) {
        V row[4], out[4];
        for (int c = 0; c < 4; ++c) row[c] = at(2 * r + 1, 2 * c);
        nested_bt(row, out);
        for (int c = 0; c < 4; ++c) Out::put(d + (kOddRow + c * 3 + r) * v_stride, out[c]);
        for (int c = 0; c < 3; ++c) Out::put(d + (kOdd + r * 3 + c) * v_stride, at(2 * r + 1, 2 * c + 1));
      }
    }
}

void nested_down_input(const float* region, int64_t region_cols, int64_t tiles, bool bf16, float* v, int64_t v_stride) {
  if (bf16) return nested_down_tiles<Bf16>(region, region_cols, tiles, v, v_stride);
  nested_down_tiles<Full>(region, region_cols, tiles, v, v_stride);
}

// The nine sums of each kind of one tile: sums[row][column].
struct NestedSums {
  V even[3][3], odd_column[3][3], odd_row[3][3], odd[3][3];
  NestedSums(const float* m, int64_t m_stride) {
    const auto plane = [&](int p) { return load(m + p * m_stride); };
    V once[3][4];
    for (int c = 0; c < 4; ++c) {
      V column[4], o[3];
      for (int r = 0; r < 4; ++r) column[r] = plane(kEven + r * 4 + c);
      nested_at(column, o);
      for (int r = 0; r < 3; ++r) once[r][c] = o[r];
    }
    for (int r = 0; r < 3; ++r) nested_at(once[r], even[r]);
    for (int c = 0; c < 3; ++c) {
      V column[4], o[3];
      for (int r = 0; r < 4; ++r) column[r] = plane(kOddColumn + r * 3 + c);
      nested_at(column, o);
      for (int r = 0; r < 3; ++r) odd_column[r][c] = o[r];
    }
    for (int r = 0; r < 3; ++r) {
      V row[4];
      for (int c = 0; c < 4; ++c) row[c] = plane(kOddRow + c * 3 + r);
      nested_at(row, odd_row[r]);
      for (int c = 0; c < 3; ++c) odd[r][c] = plane(kOdd + r * 3 + c);
    }
  }
};

// Up: the four kinds are the four parities of the position.
void nested_up_output(const float* m, int64_t m_stride, int64_t tiles, float* const rows[6]) {
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      const NestedSums s(m + t * 16 + part * kLanes, m_stride);
      const int64_t at = t * 6 * 16 + part * kLanes;
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c) {
          store(rows[2 * r] + at + 2 * c * 16, s.even[r][c]);
          store(rows[2 * r] + at + (2 * c + 1) * 16, s.odd_column[r][c]);
          store(rows[2 * r + 1] + at + 2 * c * 16, s.odd_row[r][c]);
          store(rows[2 * r + 1] + at + (2 * c + 1) * 16, s.odd[r][c]);
        }
    }
}

// Down: the four kinds add up.
void nested_down_output(const Epilogue& e, const float* m, int64_t m_stride, int64_t tiles, const OutputRows& to) {
  const EpilogueRegisters finish(e);
  for (int64_t t = 0; t < tiles; ++t)
    for (int part = 0; part < kParts; ++part) {
      const NestedSums s(m + t * 16 + part * kLanes, m_stride);
      for (int r = 0; r < 3; ++r)
        for (int c = 0; c < 3; ++c)
          finish.put((s.even[r][c] + s.odd_column[r][c]) + (s.odd_row[r][c] + s.odd[r][c]), part, to,
                     r * to.stride + (t * 3 + c) * 16 + part * kLanes);
    }
}
