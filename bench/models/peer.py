"""llama.cpp by its own interface, as the comparisons of this folder use it. Needs llama-cpp-python and numpy."""

import ctypes
import pathlib
import time

import llama_cpp
import numpy

F32 = 0  # ggml's number of the type

llama_cpp.llama_backend_init()
_quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
llama_cpp.llama_log_set(_quiet, ctypes.c_void_p(0))


def converted(path, kind, folder):
    """The GGUF file with all matrices as kind (F32, F16 or BF16), as llama-quantize makes it."""
    kinds = {"F32": llama_cpp.LLAMA_FTYPE_ALL_F32, "F16": llama_cpp.LLAMA_FTYPE_MOSTLY_F16,
             "BF16": llama_cpp.LLAMA_FTYPE_MOSTLY_BF16}
    result = pathlib.Path(folder) / f"{pathlib.Path(path).stem}.{kind}.gguf"
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = kinds[kind]
    settings.allow_requantize = True
    if llama_cpp.llama_model_quantize(str(path).encode(), str(result).encode(), ctypes.byref(settings)) != 0:
        raise SystemExit(f"llama.cpp cannot convert {path} to {kind}")
    return result


class Model:
    def __init__(self, path):
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        self.words = llama_cpp.llama_model_get_vocab(self.model)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(self.words)

    def encode(self, data):
        ids = (ctypes.c_int32 * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(self.words, data, len(data), ids, len(ids), False, True)
        return list(ids[:count])

    def ends(self, token):
        return llama_cpp.llama_vocab_is_eog(self.words, token)


class Context:
    """The state of sequences. With exact, keys, values and attention are in f32, and not as by default in f16."""

    def __init__(self, model, threads, length, sequences=1, exact=False):
        self.model, self.length, self.sequences = model, length, sequences
        settings = llama_cpp.llama_context_default_params()
        settings.n_ctx = (length + 255) // 256 * 256 * sequences
        settings.n_batch = max(32, length * sequences)
        settings.n_seq_max = sequences
        settings.n_threads = settings.n_threads_batch = threads
        if exact:
            settings.type_k = settings.type_v = F32
            settings.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = llama_cpp.llama_init_from_model(model.model, settings)
        if not self.context:
            raise SystemExit("llama.cpp cannot make a context")
        self.batch = llama_cpp.llama_batch_init(settings.n_batch, 0, 1)

    def close(self):
        llama_cpp.llama_batch_free(self.batch)
        llama_cpp.llama_free(self.context)

    def adapt(self, path):
        self.adapter = llama_cpp.llama_adapter_lora_init(self.model.model, str(path).encode())
        if not self.adapter:
            raise SystemExit(f"llama.cpp cannot load the adapter {path}")
        adapters = (llama_cpp.llama_adapter_lora_p_ctypes * 1)(self.adapter)
        if llama_cpp.llama_set_adapters_lora(self.context, adapters, 1, (ctypes.c_float * 1)(1.0)) != 0:
            raise SystemExit(f"llama.cpp does not take the adapter {path}")

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)

    def _decode(self, sequences, first, every):
        place = 0
        for number, ids in enumerate(sequences):
            for i, token in enumerate(ids):
                self.batch.token[place] = token
                self.batch.pos[place] = first + i
                self.batch.n_seq_id[place] = 1
                self.batch.seq_id[place][0] = number
                self.batch.logits[place] = every or i + 1 == len(ids)
                place += 1
        self.batch.n_tokens = place
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama.cpp cannot decode")

    def logits(self, ids, first=0, every=True):
        """The logits of every token, or of the last one, as a view that the next call changes."""
        self._decode([ids], first, every)
        found = llama_cpp.llama_get_logits(self.context)
        rows = len(ids) if every else 1
        return numpy.ctypeslib.as_array(ctypes.cast(found, ctypes.POINTER(ctypes.c_float)),
                                        (rows, self.model.vocabulary))

    def seconds(self, every):
        """The time of one forward of all sequences, of tokens that it does not depend on."""
        made = [[(s * 7919 + t * 104729 + 17) % self.model.vocabulary for t in range(self.length)]
                for s in range(self.sequences)]
        self.clear()
        before = time.perf_counter()
        self._decode(made, 0, every)
        llama_cpp.llama_synchronize(self.context)
        return time.perf_counter() - before


def mean_loss(model, threads, windows, exact):
    """The mean of -ln p(token) over all tokens of each window but its first."""
    context = Context(model, threads, len(windows[0]), exact=exact)
    total = 0.0
    for ids in windows:
        context.clear()
        logits = context.logits(ids)[:-1]
        for row, token in zip(logits, ids[1:]):
            most = row.max()
            total += float(most) + float(numpy.log(numpy.exp(row - most).sum(dtype=numpy.float64))) - float(row[token])
    context.close()
    return total / (len(windows) * (len(windows[0]) - 1))


def greedy(model, threads, prompt, most, exact):
    """The most probable tokens after the prompt, until one that ends an answer, which is the last; and their logits."""
    context = Context(model, threads, len(prompt) + most, exact=exact)
    answer, rows, next_ids, first = [], [], prompt, 0
    while len(answer) < most:
        row = context.logits(next_ids, first, every=False)[0].copy()
        first += len(next_ids)
        rows.append(row)
        answer.append(int(row.argmax()))
        if model.ends(answer[-1]):
            break
        next_ids = answer[-1:]
    context.close()
    return answer, numpy.stack(rows)
