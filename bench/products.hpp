// x (rows, in) · W (out, in)ᵀ -> y (rows, out) by zoft and by others, on one thread. x and y are fp32, and where a
// product wants x in another form, bringing it there is part of the product; W is prepared beforehand as far as the
// library can: zoft and oneDNN pack it, Eigen and OpenBLAS pack it again in each call.
#pragma once

// clang-format off
#include "peaks.hpp"  // before Eigen, for GCC 12's sake
#include <Eigen/Dense>
// clang-format on

#include <cstdio>
#include <zoft/sampler/uniform.hpp>

#ifdef ZOFT_BENCH_OPENBLAS
#include <cblas.h>
#endif
#ifdef ZOFT_BENCH_ONEDNN
#include <dlfcn.h>

#include <dnnl.hpp>
#include <unordered_map>
#endif

namespace bench {

using zoft::nn::dtype;

struct operands {
  std::size_t rows, in, out;
  std::vector<float> x = numbers(rows * in, 0), w = numbers(out * in, 1), y = std::vector<float>(rows * out);

  static std::vector<float> numbers(std::size_t n, std::uint32_t query) {
    std::vector<float> result(n, 0.0f);
    zoft::uniform{}.axpy(std::span(result), 1.0f, {1, 2, query});
    return result;
  }
};

template <dtype Type>
class zoft_product {
 public:
  static constexpr dtype type = Type;

  zoft_product(std::size_t rows, std::size_t in, std::size_t out)
      : o_{rows, in, out}, w_(zoft::nn::pack(o_.w, out, in, Type)) {}

  void operator()() { zoft::nn::matmul(o_.x, o_.rows, w_, o_.y); }
  std::size_t weight_bytes() const { return w_.bytes(); }

 private:
  operands o_;
  zoft::nn::packed_matrix w_;
};

class eigen_product {
 public:
  static constexpr dtype type = dtype::f32;

  eigen_product(std::size_t rows, std::size_t in, std::size_t out) : o_{rows, in, out} {}

  void operator()() {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const auto rows = static_cast<Eigen::Index>(o_.rows), in = static_cast<Eigen::Index>(o_.in),
               out = static_cast<Eigen::Index>(o_.out);
    Eigen::Map<matrix>(o_.y.data(), rows, out).noalias() =
        Eigen::Map<const matrix>(o_.x.data(), rows, in) * Eigen::Map<const matrix>(o_.w.data(), out, in).transpose();
  }
  std::size_t weight_bytes() const { return o_.w.size() * sizeof(float); }

 private:
  operands o_;
};

#ifdef ZOFT_BENCH_OPENBLAS
class openblas_product {
 public:
  static constexpr dtype type = dtype::f32;

  openblas_product(std::size_t rows, std::size_t in, std::size_t out) : o_{rows, in, out} {
    openblas_set_num_threads(1);
  }

  void operator()() {
    const auto rows = static_cast<blasint>(o_.rows), in = static_cast<blasint>(o_.in),
               out = static_cast<blasint>(o_.out);
    if (rows == 1)  // which its sgemm does not see
      cblas_sgemv(CblasRowMajor, CblasNoTrans, out, in, 1, o_.w.data(), in, o_.x.data(), 1, 0, o_.y.data(), 1);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, out, in, 1, o_.x.data(), in, o_.w.data(), in, 0,
                  o_.y.data(), out);
  }
  std::size_t weight_bytes() const { return o_.w.size() * sizeof(float); }

 private:
  operands o_;
};
#endif

#ifdef ZOFT_BENCH_ONEDNN
/// With bf16, x is converted in each call, by oneDNN's own reorder.
template <dtype Type>
class onednn_product {
 public:
  static constexpr dtype type = Type;

  onednn_product(std::size_t rows, std::size_t in, std::size_t out) : o_{rows, in, out} {
    using tag = dnnl::memory::format_tag;
    using kind = dnnl::memory::data_type;
    const auto m = static_cast<dnnl::memory::dim>(rows), k = static_cast<dnnl::memory::dim>(in),
               n = static_cast<dnnl::memory::dim>(out);
    const dnnl::engine& cpu = engine();
    const dnnl::memory::desc a({m, k}, stored, tag::ab), b({k, n}, stored, tag::any), c({m, n}, kind::f32, tag::ab);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc product(cpu, a, b, c);
#else
    const dnnl::matmul::primitive_desc product(dnnl::matmul::desc(a, b, c), cpu);
#endif
    product_ = dnnl::matmul(product);
    given_ = dnnl::memory({{m, k}, kind::f32, tag::ab}, cpu, o_.x.data());
    x_ = Type == dtype::f32 ? given_ : dnnl::memory(product.src_desc(), cpu);
    w_ = dnnl::memory(product.weights_desc(), cpu);
    y_ = dnnl::memory(product.dst_desc(), cpu, o_.y.data());
    // W lies (out, in), which is (in, out) by columns.
    dnnl::memory plain({{k, n}, kind::f32, tag::ba}, cpu, o_.w.data());
    dnnl::reorder(plain, w_).execute(queue(), plain, w_);
    queue().wait();
    if constexpr (Type != dtype::f32) convert_ = dnnl::reorder(given_, x_);
    arguments_ = {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}};
  }

  void operator()() {
    if constexpr (Type != dtype::f32) convert_.execute(queue(), given_, x_);
    product_.execute(queue(), arguments_);
    queue().wait();
  }
  std::size_t weight_bytes() const { return w_.get_desc().get_size(); }

 private:
  static constexpr auto stored = Type == dtype::f32 ? dnnl::memory::data_type::f32 : dnnl::memory::data_type::bf16;
  static_assert(Type == dtype::f32 || Type == dtype::bf16);

  static const dnnl::engine& engine() {
    static const dnnl::engine only = [] {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
      // Its OpenMP is asked for by name, as a compiler need not have one, and least of all the same.
      if (void* const set = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads")) reinterpret_cast<void (*)(int)>(set)(1);
#elif DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error "This oneDNN's threads cannot be kept to one: configure with -DZOFT_BENCH_ONEDNN=OFF"
#endif
      return dnnl::engine(dnnl::engine::kind::cpu, 0);
    }();
    return only;
  }
  static dnnl::stream& queue() {
    static dnnl::stream only(engine());
    return only;
  }

  operands o_;
  dnnl::matmul product_;
  dnnl::reorder convert_;
  dnnl::memory given_, x_, w_, y_;
  std::unordered_map<int, dnnl::memory> arguments_;
};
#endif

/// Calls visit.template operator()<Product>(name) for each of them; the names are what rows and columns are called.
template <class F>
void for_each_product(F visit) {
  visit.template operator()<zoft_product<dtype::f32>>("zoft_f32");
  visit.template operator()<zoft_product<dtype::bf16>>("zoft_bf16");
  visit.template operator()<zoft_product<dtype::i8>>("zoft_i8");
  visit.template operator()<zoft_product<dtype::i4>>("zoft_i4");
  visit.template operator()<zoft_product<dtype::nf4>>("zoft_nf4");
  visit.template operator()<eigen_product>("Eigen_f32");
#ifdef ZOFT_BENCH_OPENBLAS
  visit.template operator()<openblas_product>("OpenBLAS_f32");
#else
  std::fputs("left out: OpenBLAS, which was not there when this was configured\n", stderr);
#endif
#ifdef ZOFT_BENCH_ONEDNN
  visit.template operator()<onednn_product<dtype::f32>>("oneDNN_f32");
  visit.template operator()<onednn_product<dtype::bf16>>("oneDNN_bf16");
#else
  std::fputs("left out: oneDNN, which was not there when this was configured\n", stderr);
#endif
}

}  // namespace bench
