// The person in a document photo: from the parser's classes to a matte with a soft edge (id_photo.h).
#include <algorithm>
#include <cmath>

#include "pipeline/id_photo.h"

namespace gpen {

namespace {

constexpr int kBackground = 0;

// 1 - softmax of the background.
Plane person_probability(const ClassScores& s, ThreadPool& pool) {
  Plane person(s.side, s.side);
  const int64_t plane = int64_t{s.side} * s.side;
  pool.parallel_for(s.side, [&](int64_t y, int) {
    for (int64_t i = y * s.side; i < (y + 1) * s.side; ++i) {
      float largest = s.scores[static_cast<size_t>(i)];
      for (int c = 1; c < s.classes; ++c) largest = std::max(largest, s.scores[static_cast<size_t>(c * plane + i)]);
      double sum = 0, background = 0;
      for (int c = 0; c < s.classes; ++c) {
        const double e = std::exp(double{s.scores[static_cast<size_t>(c * plane + i)]} - largest);
        sum += e;
        if (c == kBackground) background = e;
      }
      person.data[static_cast<size_t>(i)] = static_cast<float>(1 - background / sum);
    }
  });
  return person;
}

// What the parser sees in the square that `to_picture` spans; beyond the picture its edge pixels are repeated, which a
// parser takes for more of the same, where black would be an edge.
Result<Plane> parse_square(const Image& picture, const Affine& to_picture, int side, const Parse& parse,
                           ThreadPool& pool) {
  Image square(side, side);
  pool.parallel_for(side, [&](int64_t y, int) {
    for (int x = 0; x < side; ++x) {
      Point p = to_picture({static_cast<double>(x), static_cast<double>(y)});
      p.x = std::clamp(p.x, 0.0, picture.width - 1.0);
      p.y = std::clamp(p.y, 0.0, picture.height - 1.0);
      float rgb[3];
      sample_bilinear<3>(view(picture), p, rgb);
      for (int c = 0; c < 3; ++c) square.row(static_cast<int>(y))[3 * x + c] = to_byte(rgb[c]);
    }
  });
  GPEN_ASSIGN(const ClassScores scores, parse(square));
  if (scores.side != side || scores.classes < 2 ||
      scores.scores.size() !=
          static_cast<size_t>(scores.classes) * static_cast<size_t>(side) * static_cast<size_t>(side))
    return fail(Code::internal, "the parser's answer has not the size of its question");
  return person_probability(scores, pool);
}

// The connected parts (4 neighbours) of the pixels for which inside() holds: a number from 1 on for each, 0 elsewhere.
template <class Inside>
std::vector<int> label_parts(const Plane& plane, std::vector<int>* sizes, const Inside& inside) {
  std::vector<int> labels(plane.data.size(), 0), stack;
  sizes->assign(1, 0);
  for (int start = 0; start < static_cast<int>(labels.size()); ++start) {
    if (labels[static_cast<size_t>(start)] != 0 || !inside(start)) continue;
    const int label = static_cast<int>(sizes->size());
    sizes->push_back(0);
    labels[static_cast<size_t>(start)] = label;
    stack.push_back(start);
    while (!stack.empty()) {
      const int at = stack.back(), x = at % plane.width;
      stack.pop_back();
      ++sizes->back();
      const int next[4] = {x > 0 ? at - 1 : -1, x + 1 < plane.width ? at + 1 : -1, at - plane.width, at + plane.width};
      for (const int n : next) {
        if (n < 0 || n >= static_cast<int>(labels.size()) || labels[static_cast<size_t>(n)] != 0 || !inside(n))
          continue;
        labels[static_cast<size_t>(n)] = label;
        stack.push_back(n);
      }
    }
  }
  return labels;
}

// Keeps the part that holds most of the face (another person or a picture on the wall goes), and closes holes that are
// too small to look through: less than a thousandth of the picture.
void keep_one_person(Plane* person, const IdFrame& frame) {
  const auto value = [&](int i) { return person->data[static_cast<size_t>(i)]; };
  std::vector<int> sizes;
  const std::vector<int> parts = label_parts(*person, &sizes, [&](int i) { return value(i) > 0.5f; });
  std::vector<int> votes(sizes.size(), 0);
  for (int y = static_cast<int>(frame.eyes); y < static_cast<int>(frame.chin) && y < frame.height; ++y)
    for (int x = frame.width / 3; x < frame.width * 2 / 3; ++x)
      ++votes[static_cast<size_t>(parts[static_cast<size_t>(y * frame.width + x)])];
  votes[0] = 0;
  const int face = static_cast<int>(std::max_element(votes.begin(), votes.end()) - votes.begin());
  if (face == 0 || votes[static_cast<size_t>(face)] == 0) return;  // the caller sees that there is no person
  // What is softly part of something else goes with it: everything nearer to another part is dropped by taking away
  // those parts and the faint pixels around them.
  const std::vector<int> faint = label_parts(*person, &sizes, [&](int i) { return value(i) > 0.05f; });
  std::vector<bool> of_face(sizes.size(), false);
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i] == face) of_face[static_cast<size_t>(faint[i])] = true;
  for (size_t i = 0; i < parts.size(); ++i)
    if (!of_face[static_cast<size_t>(faint[i])] || (parts[i] != 0 && parts[i] != face)) person->data[i] = 0;

  const std::vector<int> gaps = label_parts(*person, &sizes, [&](int i) { return value(i) <= 0.5f; });
  std::vector<bool> open(sizes.size(), false);
  for (int x = 0; x < person->width; ++x)
    for (const int y : {0, person->height - 1})
      open[static_cast<size_t>(gaps[static_cast<size_t>(y * person->width + x)])] = true;
  for (int y = 0; y < person->height; ++y)
    for (const int x : {0, person->width - 1})
      open[static_cast<size_t>(gaps[static_cast<size_t>(y * person->width + x)])] = true;
  const int small = person->width * person->height / 1000;
  for (size_t i = 0; i < gaps.size(); ++i) {
    const auto gap = static_cast<size_t>(gaps[i]);
    if (gap != 0 && !open[gap] && sizes[gap] <= small) person->data[i] = 1;
  }
}

// Mean over a square of side 2 * radius + 1, cut off at the border.
Plane box_mean(const Plane& in, int radius) {
  const auto pass = [radius](const Plane& from, bool rows) {
    Plane to(from.width, from.height);
    const int lines = rows ? from.height : from.width, length = rows ? from.width : from.height;
    const int64_t step = rows ? 1 : from.width, line_step = rows ? from.width : 1;
    for (int line = 0; line < lines; ++line) {
      const float* source = from.data.data() + line * line_step;
      float* destination = to.data.data() + line * line_step;
      double sum = 0;
      int count = 0;
      for (int i = 0; i < std::min(radius, length); ++i, ++count) sum += source[i * step];
      for (int i = 0; i < length; ++i) {
        if (i + radius < length) {
          sum += source[(i + radius) * step];
          ++count;
        }
        if (i - radius - 1 >= 0) {
          sum -= source[(i - radius - 1) * step];
          --count;
        }
        destination[i * step] = static_cast<float>(sum / count);
      }
    }
    return to;
  };
  return pass(pass(in, true), false);
}

}  // namespace

Result<Plane> person_matte(const Image& picture, const Landmarks& landmarks, const IdFrame& frame, int parser_side,
                           const Parse& parse, ThreadPool& pool) {
  // Photo pixel -> pixel of a square that holds the frame in its middle.
  const double side = parser_side, scale = side / frame.height;
  Affine to_wide;
  to_wide.m[0] = {scale, 0, (side - 1) / 2 - scale * (frame.width - 1) / 2};
  to_wide.m[1] = {0, scale, (side - 1) / 2 - scale * (frame.height - 1) / 2};
  const auto through = [](const Affine& second, const Affine& first) {
    Affine a;
    for (size_t r = 0; r < 2; ++r)
      for (size_t c = 0; c < 3; ++c)
        a.m[r][c] = second.m[r][0] * first.m[0][c] + second.m[r][1] * first.m[1][c] + (c == 2 ? second.m[r][2] : 0);
    return a;
  };
  GPEN_ASSIGN(const Plane wide,
              parse_square(picture, through(frame.to_picture, inverse(to_wide)), parser_side, parse, pool));
  GPEN_ASSIGN(const Alignment aligned, align_face(landmarks, parser_side));
  GPEN_ASSIGN(const Plane close, parse_square(picture, aligned.inverse, parser_side, parse, pool));
  const Affine to_close = through(aligned.forward, frame.to_picture);

  Plane person(frame.width, frame.height);
  const double rim = side / 12;  // over which the aligned crop's word fades: parsers are weak at the edge
  pool.parallel_for(frame.height, [&](int64_t y, int) {
    for (int x = 0; x < frame.width; ++x) {
      const Point at{static_cast<double>(x), static_cast<double>(y)}, q = to_close(at);
      const double inside = std::min(std::min(q.x, side - 1 - q.x), std::min(q.y, side - 1 - q.y));
      const auto weight = static_cast<float>(std::clamp(inside / rim, 0.0, 1.0));
      float from_wide, from_close = 0;
      sample_bilinear<1>(view(wide), to_wide(at), &from_wide);
      if (weight > 0) sample_bilinear<1>(view(close), q, &from_close);
      person.data[static_cast<size_t>(y * frame.width + x)] = from_close * weight + from_wide * (1 - weight);
    }
  });
  keep_one_person(&person, frame);
  // A ramp of about three pixels whatever the parser's edge is like: classes are hard, hair and shoulders are not.
  person = box_mean(box_mean(person, 1), 1);
  for (float& v : person.data) {
    const float t = std::clamp((v - 0.15f) / 0.7f, 0.0f, 1.0f);
    v = t * t * (3 - 2 * t);
  }
  return person;
}

void replace_background(Image* photo, const Plane& matte, const Colour& colour, ThreadPool& pool) {
  // The colour of the person nearby: a mean over the pixels that are surely the person.
  constexpr float kSurely = 0.98f;
  const int radius = std::max(3, photo->height / 60);
  Plane sure(photo->width, photo->height);
  for (size_t i = 0; i < sure.data.size(); ++i) sure.data[i] = matte.data[i] >= kSurely ? 1.0f : 0.0f;
  const Plane weight = box_mean(sure, radius);
  Plane near[3];
  for (size_t c = 0; c < 3; ++c) {
    Plane sum(photo->width, photo->height);
    for (size_t i = 0; i < sure.data.size(); ++i) sum.data[i] = sure.data[i] * photo->rgb[3 * i + c];
    near[c] = box_mean(sum, radius);
  }
  pool.parallel_for(photo->height, [&](int64_t y, int) {
    const auto first = static_cast<size_t>(y) * static_cast<size_t>(photo->width);
    for (size_t i = first; i < first + static_cast<size_t>(photo->width); ++i) {
      const float m = matte.data[i];
      const float own = std::clamp((m - 0.85f) / (kSurely - 0.85f), 0.0f, 1.0f);  // how far its own colour is believed
      for (size_t c = 0; c < 3; ++c) {
        float person = photo->rgb[3 * i + c];
        if (own < 1 && weight.data[i] > 1e-4f) person = own * person + (1 - own) * near[c].data[i] / weight.data[i];
        photo->rgb[3 * i + c] = to_byte(m * person + (1 - m) * static_cast<float>(colour[c]));
      }
    }
  });
}

}  // namespace gpen
