// How the photo degraded a face: blur, noise, and up to which frequency the crop can be trusted.
//
// Model, per colour channel of the aligned crop x and per spatial frequency f (cycles per crop pixel, radial):
//     x(f) = b(f) y(f) + n(f)
//     b(f) = exp(-2 pi^2 blur_sigma^2 f^2)                      a Gaussian blur of the true face y
//     N(f) = noise_sigma^2 g(f) + quantisation                  power of n per pixel; g: what the bilinear warp does to
//                                                               white noise of photo pixels; 8-bit rounding
//     S(f) = signal_power * (f/f1)^-signal_slope * b(f)^2       power of b y per pixel; f1 = 1/size of the crop
// Natural pictures have a power spectrum near f^-2 (Field, J. Opt. Soc. Am. A 4(12), 1987), which is what makes a blur
// readable from one picture: over ln f the logarithm of the spectrum is a straight line minus 4 pi^2 sigma^2 f^2.
//
// Estimate, in this order:
// 1. Size. A face that is enlarged (face_scale s < 1) holds nothing above the photo's own Nyquist frequency s/2, and
//    has been through the photo's square pixels and the bilinear enlargement: variances (1/12 + 1/6)/s^2 = 1/(4 s^2),
//    of which a picture that is not enlarged has 1/4 already. So cutoff <= min(1, s)/2 and
//    blur_sigma >= sqrt((1/s^2 - 1)/4).
// 2. Noise. The crop's detail band just below that limit, in the pixel domain, where edges are few and noise is
//    everywhere: sigma = median|d|/0.6745 (Donoho & Johnstone, Biometrika 81(3), 1994), corrected for the band's share
//    of the spectrum and for g.
// 3. Blur. Mean power of rings of equal frequency (Hann window, DCT), noise subtracted; least squares for signal_power,
//    signal_slope in [2, 3] and blur_sigma >= the bound of step 1.
// 4. Cutoff. The lowest frequency where S(f) = N(f); no higher than the limit of step 1 or the first ring that drowns
//    in noise, no lower than 2 cycles per crop.
//
// Looked at is the crop's central half (eyes to mouth of an aligned face), which leaves the background and the fill
// beside the photo's edge out; crops below 256 pixels are used whole.
#pragma once
#include "runtime/status.h"
#include "runtime/thread_pool.h"

namespace gpen {

struct Degradation {
  double blur_sigma = 0;    // crop pixels
  double noise_sigma = 0;   // standard deviation of one channel of a photo pixel, in crop values (the range is 2 wide)
  double cutoff = 0.5;      // cycles per crop pixel: nothing is trusted at or above it
  double face_scale = 1;    // photo pixels per crop pixel; exactly 1: the crop is the photo itself, not resampled
  double signal_power = 1;  // of S at the frequency f1, which is 1/size of the crop
  double signal_slope = 2;
  double f1 = 1.0 / 512;
};

// crop: 3 x size x size planar in [-1,1], as fed to the network; size: a power of two, 16 to 4096.
// face_scale: photo pixels per crop pixel, sqrt(|det|) of the 2x2 part of the crop-to-photo transform; > 0. Exactly 1
// says that the crop was taken as it is; anything else that it was sampled bilinearly. Of a photo that was enlarged
// before the face was cut out, its original pixels count.
// Code::usage for another size or scale or a crop that is not finite. The result does not depend on the pool's threads.
Result<Degradation> estimate_degradation(const float* crop, int size, double face_scale, ThreadPool& pool);

// b(f): what the blur leaves of frequency f. 1 at f = 0, never negative.
double blur_response(const Degradation& d, double f);
// w(f) in [0,1]: how far the crop can be trusted at f. Wiener's S/(S+N) times a raised cosine that falls from 1 at
// 0.8 cutoff to 0 at the cutoff; w(0) = 1, exactly 0 from the cutoff on.
double trust(const Degradation& d, double f);

}  // namespace gpen
