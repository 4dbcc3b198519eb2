// Kernels of our own. For mobile nets: convolutions of 1 x 1 and depthwise ones, with BatchNorm and ReLU6 on the way in and
// the sums that BatchNorm needs on the way out. For others: convolutions of 3 x 3 and of few channels, and BatchNorm, with
// the residual sum and the activation after them. Rows are pixels, columns channels (NHWC).
//
// T is how activations are stored, float or Half16 (bfloat16); weights are float. Sums within a row or block are float,
// over all of them double. Of mobile nets only raw outputs of convolutions are stored: what normalises and clips them is
// done again by whoever reads them, forward and backward.
//
// Nothing of libtorch is included here: these files are compiled once for each instruction set (CMakeLists.txt).
#pragma once
#include <cstddef>
#include <cstdint>

namespace anneal::kernels {

struct Half16 {
  uint16_t bits;
};

// How many threads the kernels may use that this thread calls. OpenMP may give fewer: inside a parallel region a kernel asks
// how many there are (`Team` in common.h), and shares its work among them.
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
};
// Sums over pixels, one a channel.
struct Sums {
  double* first = nullptr;   // forward: of z; backward: of g
  double* second = nullptr;  // forward: of z^2; backward: of g (z - mean)
};

// Of a net that predicts: a convolution, as products take its weights (depthwise: floats [c / 16][k * k][16]), and y = a z + b.
struct Folded {
  const void* weights;
  const float *a, *b;
};
// A block: 1 x 1 (or the stem), depthwise, 1 x 1, with ReLU6 after the first two. Or, with deep.k 0, a 1 x 1 convolution
// alone and ReLU6. deep.n is 1; channels that a product reads are even in number.
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
};

// Weights that an optimizer changes, their gradient and what it keeps of gradients; or an average and, as `grad`, what is new
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
  // W [n][k] as products take it, and how many T that are.
  size_t (*packedSize)(int k, int n);
  void (*pack)(const float* w, int k, int n, T* packed);
  // z [m][n] = f(x) W^T for x [m][k], f by `norm`; `stem` in place of x. `packed` is W packed, or null.
  void (*conv1x1)(const T* x, const Stem* stem, Norm norm, long m, int k, int n, const float* w, const T* packed, T* z,
                    Sums sums);
  // From g, the gradient of what follows z's BatchNorm: dw [n][k] and, unless gx is null, gx [m][k]. With `norm`, gx is
  // masked by relu6 and summed; otherwise `add` is added where given.
  void (*conv1x1Grad)(const T* g, const T* z, NormGrad grad, const T* x, const Stem* stem, Norm norm, long m, int k,
                        int n, const float* w, const T* add, T* gx, float* dw, Sums sums);
  // w [c][k * k].
  void (*depthwise)(const Depthwise& d, const T* x, Norm norm, const float* w, T* z, Sums sums);
  void (*depthwiseGrad)(const Depthwise& d, const T* g, const T* z, NormGrad grad, const T* x, Norm norm,
                        const float* w, T* gx, float* dw, Sums sums);
  // The sums of z and z^2.
  void (*moments)(const T* z, long m, int c, Sums sums);
  // y = act(a z + b + add), `add` null: 0.
  void (*normalise)(const T* z, Norm norm, const T* add, Act act, T* y, long m, int c);
  // From g, the gradient of y: g' is g where `act` lets it through, by y, or, where y is null, by a z + b. The sums are
  // those of g' as conv1x1Grad makes them; unless null, `masked` becomes g' and `dz` a g' (statistics that are kept).
  void (*normaliseSums)(const T* g, const T* z, const T* y, Norm norm, Act act, T* masked, T* dz, long m, int c,
                        Sums sums);
  // dz = A g' + B z + C, g' by a z + b.
  void (*normaliseGrad)(const T* g, const T* z, NormGrad grad, Norm norm, Act act, T* dz, long m, int c);
  // Weights w [k][3][3][c], times `scale` [k] unless null, as `conv3` takes them: 16 c k of T. `back`: to go from the outputs
  // to the inputs. c and k are multiples of 32.
  void (*conv3Pack)(const float* w, const float* scale, int c, int k, bool back, T* packed);
  // y = act(conv(x) + bias + plus); bias [k] and plus may be null.
  void (*conv3)(const Conv3& s, const T* x, const T* packed, const float* bias, const T* plus, Act act, T* y);
  // From g, the gradient of y: dw, and unless they are null `masked`, g where `act` lets it through, `bias`, the sums of
  // that, and `dscale`. y may be null where `act` is none.
  void (*conv3Grad)(const Conv3& s, const T* x, const T* g, const T* y, Act act, T* masked, const float* w,
                    const float* scale, float* dw, float* dscale, double* bias);
  // Weights w [c][3][3][each], times `scale` [c] unless null, as `grouped` takes them: 9 c each of T.
  void (*groupedPack)(const float* w, const float* scale, int c, int each, bool back, T* packed);
  // y = act(conv(x) + bias + plus); bias [c] and plus may be null. `back`: from the outputs' gradient x to the inputs', y.
  void (*grouped)(const Grouped& s, const T* x, const T* packed, bool back, const float* bias, const T* plus, Act act, T* y);
  // From g, the gradient of the convolution alone: dw and, unless null, `dscale`.
  void (*groupedGrad)(const Grouped& s, const T* x, const T* g, const float* w, const float* scale, float* dw,
                      float* dscale);
  // y = act(conv(x) scale + bias), w [outs][k][k][c]; scale and bias [outs] may be null. c times the stride fills whole words
  // of 32 bits.
  void (*convStem)(const ConvStem& s, const T* x, const float* w, const float* scale, const float* bias, Act act, T* y);
  // Blocks of mobile nets in training (mobile.h); null with AMX, as the convolutions above are. `wide` and `deep` are kept for the gradients: channels, filled up
  // to a multiple of 16, times pixels, in an order of their own. Of bfloat16, cin, cout and the pixels of each thread's pictures
  // have to be even, and at stride 2 the width.
  //
  // With kept statistics: y, and from its gradient g (grad2 empty) all others; the sums are those of each layer. With the
  // batch's, in this order: the first layer's sums from the means [k] and the covariance of the k it takes, of which `mixed`
  // [c][k] is needed again; `deep` with its sums (y null); z, the last layer's raw output; from g, the gradient of what follows
  // its BatchNorm, `masked`, dw3 and the sums of the second layer; from g = masked dw2, and raw dw1 and gx with the first's sums;
  // by these, what is missing of dw1 and gx, and `plus`.
  void (*mobileBlock)(const MobileBlock& s, const T* x, T* wide, T* deep, T* y, Sums sums);
  void (*mobileBlockGrad)(const MobileBlock& s, const T* x, const T* wide, const T* deep, const T* g, NormGrad grad2, T* gx,
                          float* dw1, float* dw2, float* dw3, Sums first, Sums second, Sums third);
  void (*mobileStatistics)(const MobileBlock& s, const T* x, float* means, float* mixed, Sums sums);
  void (*mobileProject)(const MobileBlock& s, const T* deep, T* z, Sums sums);
  void (*mobileProjectGrad)(const MobileBlock& s, const T* g, const T* z, NormGrad grad, const T* deep, T* masked, float* dw3,
                            Sums sums);
  void (*mobileFinish)(const MobileBlock& s, const T* x, const float* means, const float* mixed, NormGrad grad1,
                       const double* sums, const T* plus, float* dw1, T* gx);
  // y [n][2 c]: the maxima over pixels of x [n][pixels][c], and the means; from g, the gradient of y, that of x.
  void (*concatPool)(const T* x, int n, int pixels, int c, T* y);
  void (*concatPoolGrad)(const T* x, const T* y, const T* g, int n, int pixels, int c, T* gx);
  // Parts one after another on each of n pictures: x [n][pixels][cin], or floats before a stem; y of the last one. A picture
  // gives the same bits whatever is beside it.
  void (*inferenceChain)(const Part* parts, int count, int n, const void* x, T* y);
  // Of floats alone. Pictures as rows of out [N, n, n, channels], each channel times its scale, plus its shift.
  void (*views)(const View* views, int count, int n, int channels, const float* scale, const float* shift, float* out);
  // Of floats alone. The next draws of a generator that has come to word `at` of its state: 1 with probability p, else 0.
  void (*bernoulli)(uint32_t* state, int* at, double p, long count, float* out);
  // Of floats alone. Updates of `count` weights; of an average values become share values + (1 - share) grad.
  void (*adam)(const Weights* weights, int count, const AdamNumbers& n);
  void (*sgd)(const Weights* weights, int count, const SgdNumbers& n);
  void (*blend)(const Weights* weights, int count, double share);
};
constexpr int kTwister = 624;  // words of the state

// The kernels that the compiler could make, else null; constants, so that asking for them runs no code.
namespace tables {
extern const Kernels<float>*const avx2, *const avx512;
extern const Kernels<Half16>*const avx512bf16, *const amx;
}  // namespace tables
// Those that this processor has the instructions for, else null
const Kernels<float>* forAvx2();
const Kernels<float>* forAvx512();
const Kernels<Half16>* forAvx512Bf16();
const Kernels<Half16>* forAmx();

// Thrown by kernels before they begin
[[noreturn]] void noMemory(size_t bytes);
[[noreturn]] void slotTaken(int slot);

// Those of floats that are in use (ops.cpp); throws where there are none.
const Kernels<float>& floatKernels();

}  // namespace anneal::kernels
