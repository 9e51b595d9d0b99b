/// What a journal knows of a run, and how the run is made again.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "../concepts.hpp"
#include "../core/fingerprint.hpp"
#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../random/stream.hpp"
#include "append_file.hpp"
#include "contents.hpp"
#include "snapshot.hpp"

namespace zoft::inline ZOFT_ISA::journals {

/// Whether the engine's adapter owns what is trained.
template <class Engine>
concept owns = requires(const Engine& e) {
  e.adapter().parameters();
};

/// What a journal can be of: numbers or codes in a span, or a model that keeps its weights.
template <class X>
concept journaled = requires(X& x) {
  each_piece(x, [](auto) {});
};

template <class X>
void add(fingerprint& to, X& x) {
  each_piece(x, [&](auto piece) { to.add(std::as_bytes(piece)); });
}

template <class X>
std::uint64_t fingerprint_of(X& x) {
  fingerprint all;
  add(all, x);
  return all.value();
}

/// Of what the engine trains, x, and of what its adapter made beside that and leaves as it is: LoRA's A.
template <class Engine, class X>
std::uint64_t fingerprint_of(const Engine& engine, X& x) {
  fingerprint all;
  add(all, x);
  if constexpr (requires { engine.adapter().pairs(); })
    for (const auto& pair : engine.adapter().pairs()) all.add(pair.a);
  return all.value();
}

template <class Engine, class X>
layout layout_of(const Engine& engine, const X& x) {
  if constexpr (requires { x.weights_layout(); })
    return x.weights_layout();
  else if constexpr (owns<Engine>)
    return engine.adapter().layout();
  else
    return engine.adapter().layout;
}

inline std::uint64_t fingerprint_of_names(const layout& shape) {
  fingerprint all;
  for (const tensor& t : shape) {
    all.add(std::span<const char>(t.name.data(), t.name.size()));
    const std::array<std::uint64_t, 3> numbers{t.rows, t.columns, t.offset};
    all.add(std::span<const std::uint64_t>(numbers));
  }
  return all.value();
}

/// The first elements of the first direction, where a sampler can say them before a run starts; otherwise 0.
template <class Engine>
std::uint64_t noise_of(const Engine& engine, std::size_t size) {
  if constexpr (stateless_sampler<std::remove_cvref_t<decltype(engine.sampler())>> && !Engine::observes) {
    std::vector<float> z(std::min<std::size_t>(size, 256));
    engine.sampler().axpy(std::span<float>(z), 1.0f, engine.direction(0, 0));
    const std::span<const float> all = z;
    return fingerprint_of(all);
  } else {
    return 0;
  }
}

template <class Engine, class X>
header header_of(const Engine& engine, X& x, std::size_t size, const std::string& about) {
  require(engine.steps() == 0, "journal: the engine has made " + text(engine.steps()) +
                                   " steps, and must have made none before those of a journal");
  if constexpr (requires { engine.adapter().restore; })
    require(
        engine.adapter().restore == restore::exact,
        "journal: the adapter's restore is drifting, and must be exact: otherwise steps leave more than their record");
  using sampler_type = std::remove_cvref_t<decltype(engine.sampler())>;
  header h;
  h.add("noise", text(random::stream_version));
  h.add("seed", text(engine.direction(0, 0).seed));
  h.add("parameters", text(size));
  h.add("layout", hexadecimal(fingerprint_of_names(layout_of(engine, x))));
  h.add("base", hexadecimal(fingerprint_of(engine, x)));
  h.add("directions", Engine::observes                        ? "of the seed and the batches"
                      : learning_sampler<sampler_type, float> ? "of the seed and the parameters"
                                                              : "of the seed");
  h.add("sampler", hexadecimal(noise_of(engine, size)));
  h.add("record", Engine::records_losses ? "losses" : "coefficients");
  h.add("values", text(engine.recorded()));
  h.add("about", about);
  return h;
}

/// The number of parameters.
template <class X>
std::size_t size_of(const X& x) {
  if constexpr (requires { x.weights_layout(); })
    return x.weights_layout().size();
  else
    return x.size();
}

/// A value in one line of a message, and its beginning where it is long.
inline std::string shown(std::string value) {
  constexpr std::size_t most = 200;
  if (value.size() > most) value.replace(most, value.npos, "...");
  for (char& c : value)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  return value;
}

/// Refuses a run that is not the journal's, by what differs.
inline void check_same(const header& held, const header& now, const std::string& path) {
  for (const auto& [name, ignored] : now.fields)
    require(held.value(name) == now.value(name), path + ": is of another run: its '" + name + "' is '" +
                                                     shown(held.value(name)) + "', and here is '" +
                                                     shown(now.value(name)) + "'");
}

/// Goes to the snapshot beside the journal, if there is one of this run. Returns how many of the entries are before it.
template <class Engine, class X>
std::size_t skip_to_snapshot(const contents& from, const std::string& path, Engine& engine, X& x) {
  if constexpr (Engine::shows_state) {
    snapshot held(path);
    if (held.step() == 0) return 0;
    const auto there = std::find_if(from.entries.begin(), from.entries.end(), [&](const entry& e) {
      return e.kind == kind::check && e.step.step == held.step();
    });
    if (there == from.entries.end()) return 0;
    const auto step = static_cast<std::uint32_t>(held.step());
    if constexpr (owns<Engine>) {
      std::vector<float> values(x.size());
      std::span<float> to(values);
      engine.start();
      if (!held.take(there->fingerprint, to, engine)) return 0;
      engine.skip_to(std::span<const float>(values), step);
    } else {
      engine.start(x);
      if (!held.take(there->fingerprint, x, engine)) return 0;
      engine.skip_to(step);
    }
    return static_cast<std::size_t>(there - from.entries.begin());
  } else {
    return 0;
  }
}

/// Returns how many steps there were.
template <class Engine, class X, class... F>
std::size_t replay(const contents& from, const std::string& path, Engine& engine, X& x, F&... functor) {
  for (std::size_t i = skip_to_snapshot(from, path, engine, x); i < from.entries.size(); ++i) {
    const entry& e = from.entries[i];
    if (e.kind == kind::check)
      require(e.fingerprint == fingerprint_of(x),
              path + ": the parameters before step " + text(engine.steps()) +
                  " are not those of the run: it had other options or batches, or was made by another program");
    else if constexpr (owns<Engine>)
      engine.replay(e.step, functor...);
    else
      engine.replay(x, e.step, functor...);
  }
  return engine.steps();
}

inline contents read_file(const std::string& path) {
  const contents result = read(append_file(path, append_file::mode::read).read(), path);
  require(result.header_size > 0, path + ": is empty, and must be a journal");
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::journals
