// The kernels that we wrote ourselves. For mobile nets: 1 x 1 and depthwise convolutions, which apply BatchNorm and ReLU6 to their
// input and return the sums that the next BatchNorm needs. For other nets: 3 x 3 convolutions, convolutions of few channels, and
// BatchNorm, which also add the residual and apply the activation. Rows are pixels, columns are channels (NHWC).
//
// T is the type of activations: float, or Half16 for bfloat16. Weights are float. Sums within a row or a block are float, sums over
// all of them double. Mobile nets store only the raw outputs of convolutions: whoever reads them normalises and clips them again,
// forward and backward.
//
// Nothing of libtorch is included here: these files are compiled once for each instruction set (CMakeLists.txt).
#pragma once
#include <cstddef>
#include <cstdint>

namespace anneal::kernels {

struct Half16 {
  uint16_t bits;
};

// The number of threads that kernels called by this thread may use. OpenMP may give fewer: inside a parallel region a kernel asks
// how many there are (`Team` in common.h) and shares its work among them.
int threads();
void useThreads(int count);

// Per-channel numbers, each row padded with zeros to a multiple of 32 channels.
struct Norm {  // y = relu6(a z + b); a null: y = z
  const float* a = nullptr;
  const float* b = nullptr;
  const float* mean = nullptr;
};
struct NormGrad {  // dz = A g + B z + C; A null: dz = g; B null: dz = A g (statistics that are kept)
  const float* A = nullptr;
  const float* B = nullptr;
  const float* C = nullptr;
};

// The activations of which units take a share.
enum class Curve { mish, selu };
// What follows a BatchNorm.
enum class Act { none, relu, relu6 };

// The picture before a stem: 3 channels, 3 x 3 at stride 2, float whatever T is. Weights are [n][27] in order y, x, c.
struct Stem {
  const float* picture;
  int h, w, oh, ow, top, left;
};
struct Depthwise {
  int n, h, w, c, oh, ow, k, stride, top, left;
};
// 3 x 3 at stride 1, padded by 1: [n, h, w, c] to [n, h, w, k]
struct Conv3 {
  int n, h, w, c, k;
};
// 3 x 3 in groups of `each` channels, padded by 1: [n, h, w, c] to [n, oh, ow, c]. `each` is 4, 8, 16 or 32, c a multiple of 32.
struct Grouped {
  int n, h, w, c, each, stride, oh, ow;
};
// k x k over few channels c: `pad` zeros around [n, h, w, c], to [n, oh, ow, outs]
struct ConvStem {
  int n, h, w, c, k, stride, pad, oh, ow, outs;
  int up = 1;  // zeros that follow each pixel of x, and the pixel: the gradient of the input at another stride
};
// k x k over c channels, without groups; for the tiles of AMX c and outs are multiples of 32
using ConvFull = ConvStem;
// Whether tiles hold pictures (conv_places.h): few of the 16 of each tile are missing
inline bool byPlaces(const ConvFull& s) { return 6 * s.n >= 5 * 16 * ((s.n + 15) / 16); }
// Sums over pixels, one for each channel.
struct Sums {
  double* first = nullptr;   // forward: of z; backward: of g
  double* second = nullptr;  // forward: of z^2; backward: of g (z - mean)
};

// For prediction: a convolution with its weights packed for `gemm` (depthwise: floats [c / 16][k * k][16]), and y = a z + b.
struct Folded {
  const void* weights;
  const float *a, *b;
};
// A block: 1 x 1 (or the stem), depthwise, 1 x 1, with ReLU6 after the first two. If deep.k is 0: a 1 x 1 convolution alone with
// ReLU6. deep.n is 1; the input channels of a product are even in number.
struct Part {
  Depthwise deep;
  Stem stem;
  bool hasStem, residual;
  int cin, cout;
  Folded first, middle, last;
};

// A block in training: 1 x 1 (or the stem), depthwise, 1 x 1. Weights [c][cin] (of the stem [c][27]), [c][k * k], [cout][c].
struct MobileBlock {
  Depthwise deep;
  Stem stem;
  bool hasStem, residual;
  int cin, cout;
  const float *w1, *w2, *w3;
  Norm n1, n2, n3;
  const void *packed1 = nullptr, *packed3 = nullptr;  // w1 and w3 packed for products, or null
};

// Weights that an optimizer updates, their gradient and its moments. For `blend`: an average and, as `grad`, the new values.
struct Weights {
  float* values;
  const float* grad;
  float *first, *second;
  long count;
};
struct AdamNumbers {
  double lr;
  float beta1, beta2, eps, decay;
  bool decoupled;
  int64_t step;  // from 1
};
struct SgdNumbers {
  float lr, momentum, decay;
  bool nesterov;
};

// One picture of bytes [h, w, channels] and what a batch shows of it. Light and colour are one matrix, then one tone curve;
// src/vision/augment/lighting.ts makes both.
enum Padding { kZeros, kBorder, kReflection };
enum class Matrix { none, alike, mixed };  // alike: every channel gets the same, and nothing of the others
constexpr int kCurvePoints = 1021;         // the 256 values of a byte, and three points between each two of them
struct View {
  const uint8_t* pixels;
  int h, w, channels;
  int row;       // of the batch
  bool plain;    // a crop of whole pixels from `top` and `left`, without a map
  int top, left;
  double map[9];  // from the crop to the picture, each in [-1, 1]
  int ky, kx;     // the means of blocks of ky x kx pixels are sampled
  int pad;        // a Padding
  Matrix matrix;
  float colour[3][3];  // [channel of the crop][channel that counts in it]; `alike`: colour[0][0]
  float mean[3];       // for each channel: how much of the crop's mean is added; `alike`: mean[0]
  float add[3];        // for each channel: what is added, in values of bytes; `alike`: add[0]
  const float* curve;  // kCurvePoints shares from black to white, or null
};

template <class T>
struct Kernels {
  // Packs W [n][k] for products; how many T the packed weights need.
  size_t (*packedSize)(int k, int n);
  void (*pack)(const float* w, int k, int n, T* packed);
  // z [m][n] = f(x) W^T for x [m][k], f by `norm`; `stem` in place of x. `packed` is W packed, or null.
  void (*conv1x1)(const T* x, const Stem* stem, Norm norm, long m, int k, int n, const float* w, const T* packed, T* z,
                    Sums sums);
  // g is the gradient after z's BatchNorm. Writes dw [n][k] and, unless gx is null, gx [m][k]. With `norm`, gx is masked by ReLU6
  // and summed; without, `add` is added to it if given.
  void (*conv1x1Grad)(const T* g, const T* z, NormGrad grad, const T* x, const Stem* stem, Norm norm, long m, int k,
                        int n, const float* w, const T* add, T* gx, float* dw, Sums sums);
  // w [c][k * k].
  void (*depthwise)(const Depthwise& d, const T* x, Norm norm, const float* w, T* z, Sums sums);
  void (*depthwiseGrad)(const Depthwise& d, const T* g, const T* z, NormGrad grad, const T* x, Norm norm,
                        const float* w, T* gx, float* dw, Sums sums);
  // The sums of z and z^2.
  void (*moments)(const T* z, long m, int c, Sums sums);
  // y = act(a z + b + add); `add` may be null.
  void (*normalise)(const T* z, Norm norm, const T* add, Act act, T* y, long m, int c);
  // g is the gradient of y. g' is g where `act` passes gradients on; y says where, or a z + b if y is null. The sums are those of
  // g', as in conv1x1Grad. Unless null, `masked` becomes g' and `dz` becomes a g' (for BatchNorm with running statistics).
  void (*normaliseSums)(const T* g, const T* z, const T* y, Norm norm, Act act, T* masked, T* dz, long m, int c,
                        Sums sums);
  // dz = A g' + B z + C; a z + b says where g' is g.
  void (*normaliseGrad)(const T* g, const T* z, NormGrad grad, Norm norm, Act act, T* dz, long m, int c);
  // Packs weights w [k][3][3][c], times `scale` [k] unless null, for `conv3`: 16 c k values of T. `back`: for the gradient of the
  // input. c and k are multiples of 32.
  void (*conv3Pack)(const float* w, const float* scale, int c, int k, bool back, T* packed);
  // y = act(conv(x) + bias + plus); bias [k] and plus may be null.
  void (*conv3)(const Conv3& s, const T* x, const T* packed, const float* bias, const T* plus, Act act, T* y);
  // g is the gradient of y. Writes dw and, unless null, `masked` (g where `act` passes gradients on), `bias` (the sums of that) and
  // `dscale`. y may be null if `act` is none.
  void (*conv3Grad)(const Conv3& s, const T* x, const T* g, const T* y, Act act, T* masked, const float* w,
                    const float* scale, float* dw, float* dscale, double* bias);
  // Packs weights w [c][3][3][each], times `scale` [c] unless null, for `grouped`: 9 c each values of T.
  void (*groupedPack)(const float* w, const float* scale, int c, int each, bool back, T* packed);
  // y = act(conv(x) + bias + plus); bias [c] and plus may be null. `back`: x is the gradient of the output, y that of the input.
  void (*grouped)(const Grouped& s, const T* x, const T* packed, bool back, const float* bias, const T* plus, Act act, T* y);
  // g is the gradient of the convolution alone. Writes dw and, unless null, `dscale`.
  void (*groupedGrad)(const Grouped& s, const T* x, const T* g, const float* w, const float* scale, float* dw,
                      float* dscale);
  // y = act(conv(x) scale + bias), w [outs][k][k][c]; scale and bias [outs] may be null. c times the stride times the size of T
  // is a multiple of 4 bytes.
  void (*convStem)(const ConvStem& s, const T* x, const float* w, const float* scale, const float* bias, Act act, T* y);
  // By the tiles of AMX (conv_tiles.h), null in other sets. Packs weights w [outs][k][k][c], times `scale` [outs] unless null, as k k
  // c outs values of T. `back`: for the gradient of the input, whose `pad` is k - 1 - pad and whose `up` is the stride.
  void (*tilesPack)(const float* w, const float* scale, int c, int outs, int taps, bool back, T* packed);
  // y = act(conv(x) + bias + plus); bias [outs] and plus may be null. `up` is 1 unless byPlaces.
  void (*tilesConv)(const ConvFull& s, const T* x, const T* packed, const float* bias, const T* plus, Act act, T* y);
  // dw [outs][k][k][c] from g, the gradient of the convolution alone.
  void (*tilesGrad)(const ConvFull& s, const T* x, const T* g, float* dw);
  // Blocks of mobile nets in training (mobile.h). `wide` and `deep` are kept for the gradients: channels, rounded up to a multiple
  // of 16, times pixels, in the layout of blocked_layout.h. With tiles (AMX) `wide` may be null, since the gradients compute it
  // again, and 512 zeros follow `deep`. In bfloat16 cin, cout, the number of pixels of each thread's pictures and, at stride 2, the
  // width are even.
  //
  // BatchNorm with running statistics: mobileBlock writes y; with tiles `deep` may be null if no gradients follow. mobileBlockGrad
  // (grad2 empty) writes all gradients from g, the gradient of y; the sums are those of each layer.
  //
  // BatchNorm with statistics of the batch, in this order:
  // 1. mobileStatistics: the sums of the first layer, from the `means` [k] of its k inputs and their covariance. `mixed` [c][k], the
  //    weights times the covariance, is needed again in step 6.
  // 2. mobileBlock: `deep` and its sums (y is null).
  // 3. mobileProject: z, the raw output of the last layer, and its sums.
  // 4. mobileProjectGrad: g is the gradient after the last BatchNorm. `masked`, dw3 and the sums of the second layer.
  // 5. mobileBlockGrad: g is `masked`. dw2, the raw dw1 and gx, and the sums of the first layer.
  // 6. mobileFinish: adds to dw1 and gx what comes through the statistics, and `plus` to gx.
  void (*mobileBlock)(const MobileBlock& s, const T* x, T* wide, T* deep, T* y, Sums sums);
  void (*mobileBlockGrad)(const MobileBlock& s, const T* x, const T* wide, const T* deep, const T* g, NormGrad grad2, T* gx,
                          float* dw1, float* dw2, float* dw3, Sums first, Sums second, Sums third);
  void (*mobileStatistics)(const MobileBlock& s, const T* x, float* means, float* mixed, Sums sums);
  void (*mobileProject)(const MobileBlock& s, const T* deep, T* z, Sums sums);
  void (*mobileProjectGrad)(const MobileBlock& s, const T* g, const T* z, NormGrad grad, const T* deep, T* masked, float* dw3,
                            Sums sums);
  void (*mobileFinish)(const MobileBlock& s, const T* x, const float* means, const float* mixed, NormGrad grad1,
                       const double* sums, const T* plus, float* dw1, T* gx);
  // y [n][2 c]: for each channel of x [n][pixels][c] its maximum over pixels, then its mean. Grad: gx from g, the gradient of y.
  void (*concatPool)(const T* x, int n, int pixels, int c, T* y);
  void (*concatPoolGrad)(const T* x, const T* y, const T* g, int n, int pixels, int c, T* gx);
  // float only. y = x + a (f(x) - x) for x [members][rows][width] and a [members][width]. Grad: gx and ga from g, the gradient of y.
  void (*activationShare)(Curve f, const float* x, const float* a, int members, int rows, int width, float* y);
  void (*activationShareGrad)(Curve f, const float* x, const float* a, const float* g, int members, int rows, int width, float* gx,
                              float* ga);
  // Runs the parts one after another on each of n pictures: x [n][pixels][cin], or floats if the first part is a stem; y is the
  // output of the last part. A picture gives the same bits whatever else is in the batch.
  void (*inferenceChain)(const Part* parts, int count, int n, const void* x, T* y);
  // float only. Writes pictures as rows of out [N, n, n, channels], each channel times its scale plus its shift.
  void (*views)(const View* views, int count, int n, int channels, const float* scale, const float* shift, float* out);
  // float only. The next draws of a generator that stands at word `at` of its state: 1 with probability p, else 0.
  void (*bernoulli)(uint32_t* state, int* at, double p, long count, float* out);
  // float only. Update `count` weights. blend: values become share values + (1 - share) grad.
  void (*adam)(const Weights* weights, int count, const AdamNumbers& n);
  void (*sgd)(const Weights* weights, int count, const SgdNumbers& n);
  void (*blend)(const Weights* weights, int count, double share);
};
constexpr int kTwister = 624;  // words of the state

// The kernels that the compiler could build, else null. They are constants, so no code runs when they are asked for.
namespace tables {
extern const Kernels<float>*const avx2, *const avx512, *const neon;
extern const Kernels<Half16>*const avx512bf16, *const amx, *const neonbf16;
}  // namespace tables
// The kernels whose instructions this processor has, else null
const Kernels<float>* forAvx2();
const Kernels<float>* forAvx512();
const Kernels<Half16>* forAvx512Bf16();
const Kernels<Half16>* forAmx();
const Kernels<float>* forNeon();
const Kernels<Half16>* forNeonBf16();

// Throw; kernels call them before they start a parallel region.
[[noreturn]] void noMemory(size_t bytes);
[[noreturn]] void slotTaken(int slot);

// The float kernels in use (ops/kernel_sets.cpp). Throws if there are none.
const Kernels<float>& floatKernels();

}  // namespace anneal::kernels
