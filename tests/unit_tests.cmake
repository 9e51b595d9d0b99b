# One program with all the tests. Each test case is a test of ctest.
add_executable(zoft_tests)
target_link_libraries(zoft_tests PRIVATE zoft_strict)
target_compile_definitions(zoft_tests PRIVATE ZOFT_FIXTURES="${CMAKE_CURRENT_SOURCE_DIR}/fixtures")
target_precompile_headers(zoft_tests PRIVATE catch.hpp)
if(Catch2_VERSION VERSION_GREATER_EQUAL 3)
  target_link_libraries(zoft_tests PRIVATE Catch2::Catch2WithMain)
else()
  target_link_libraries(zoft_tests PRIVATE Catch2::Catch2)
  target_sources(zoft_tests PRIVATE $<TARGET_OBJECTS:zoft_catch_main>)
  # A name that matches no test is a failure, as with Catch2 3.
  set(no_tests_is_failure -w NoTests)
endif()

# What uses threads, or files that several programs write. The thread sanitizer sees nothing in other tests.
set(thread_tests
  io_tokenizer journal journal_full nn_activation_cache nn_batch nn_decoder nn_full_tuning nn_groups nn_journal nn_linear
  nn_observed nn_quantised nn_training threads)

# Tests of the core, a NAME.cpp here for each name. In a unity build the files of one call are compiled as one, because
# most of the work is in what they include and instantiate. So the names that they declare must differ, or be in a
# namespace of the file's own.
set_target_properties(zoft_tests PROPERTIES UNITY_BUILD ${ZOFT_UNITY_BUILD} UNITY_BUILD_MODE GROUP)
function(zoft_test)
  if(ZOFT_ONLY_THREAD_TESTS)
    list(JOIN thread_tests "|" names)
    list(FILTER ARGN INCLUDE REGEX "^(${names})$")
    if(NOT ARGN)
      return()
    endif()
  endif()
  list(TRANSFORM ARGN APPEND .cpp)
  list(GET ARGN 0 first)
  target_sources(zoft_tests PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES UNITY_GROUP ${first})
endfunction()

# Tests that need zoft::nn.
function(zoft_nn_test)
  if(TARGET zoft::nn)
    zoft_test(${ARGN})
  else()
    message(NOTICE "SKIPPED: the tests ${ARGN}, as zoft::nn is left out")
  endif()
endfunction()

# Tests that need zoft::text.
function(zoft_text_test)
  if(TARGET zoft::text)
    zoft_test(${ARGN})
  else()
    message(NOTICE "SKIPPED: the tests ${ARGN}, as zoft::text is left out")
  endif()
endfunction()

zoft_test(
  noise
  noise_box_muller
  noise_samplers
  noise_statistics
  number
  philox
  simd_processor
  simd_storage
)

# Where only arithmetic is tested, another build of the same compiler has these under its sanitizers.
if(NOT ZOFT_METHOD_TESTS STREQUAL arithmetic)
  zoft_test(
    adapters
    engine
    engine_equivalence
    engine_statistics
    engines
    estimators
    forms
    in_place
    in_place_steps
    layout
    optimizers
  )

  zoft_test(
    journal
    journal_full
    journal_killed
    journal_snapshot
  )

  zoft_test(
    adapters_one_of
    adapters_vectors
    calibrated
    dense_samplers
    low_rank_samplers
    observed_basis
    observed_rows
    optimizers_dense
    quantised
    rounding
  )
endif()

# The methods are compositions of what is tested above, and have no instructions of their own. A few of their tests
# reach all the memory that they handle; only those are run under sanitizers. The others test their arithmetic.
if(ZOFT_METHOD_TESTS AND NOT ZOFT_METHOD_TESTS STREQUAL arithmetic)
  zoft_test(allocations) # which replaces operator new
  zoft_test(
    factored
    full_tuning
    learning_samplers
    minimize
    minimize_edges
    minimize_limits
    subset_adapters
  )
endif()
if(ZOFT_METHOD_TESTS AND NOT ZOFT_METHOD_TESTS STREQUAL memory)
  zoft_test(
    audit
    autotune
    autotune_batches
    autotune_epsilon
    autotune_examples
    noise_level
    rate_watch
  )
  zoft_test(
    dense_methods
    dual
    eggroll
    lozo
    methods_of_examples
    muon
    threads
    traps
  )
  zoft_test(
    estimator_statistics
    estimators_of_differences
    estimators_of_populations
    observed_steps
    optimizers_anchored
    optimizers_replayed
  )
  zoft_test(journal_methods)
endif()

zoft_nn_test(
  nn_amx
  nn_attention
  nn_cross_entropy
  nn_decoder
  nn_elementwise
  nn_linear
  nn_matmul
)

# The models made from those kernels have no instructions of their own, and take an emulator a quarter of an hour.
if(ZOFT_MODEL_TESTS STREQUAL golden)
  zoft_nn_test(
    form_transformer
    nn_golden
    nn_precision
    nn_transformer
  )
elseif(ZOFT_MODEL_TESTS)
  zoft_nn_test(
    form_transformer
    forms_eigen
    io_files
    io_fuzz
    io_hugging_face
    io_json
    io_llama2c
    io_safetensors
    io_tokenizer_llama2c
    nn_activation_cache
    nn_adapters
    nn_batch
    nn_criterion
    nn_families
    nn_full_tuning
    nn_golden
    nn_groups
    nn_journal
    nn_observed
    nn_observed_gradients
    nn_peft
    nn_pooling
    nn_precision
    nn_quantised
    nn_score_predictor
    nn_token_pattern
    nn_training
    nn_transformer
  )
  # Apart: Eigen's own headers must come before another test's `using namespace`.
  zoft_nn_test(
    sparing
    nn_sparing
  )
  zoft_nn_test(
    io_adapter_rows
    io_families
    io_file_kind
    io_gguf
    io_gguf_adapter
    io_gguf_blocks
    io_gguf_fuzz
    io_gguf_model
    io_hugging_face_names
    io_peft
    io_rotary_fields
  )
endif()

if(ZOFT_MODEL_TESTS AND ZOFT_TEXT_TESTS)
  zoft_text_test(
    io_chat
    io_data
    io_data_tasks
    io_jinja
    io_jinja_fuzz
  )
  zoft_text_test(
    io_onnx
    io_tokenizer
    io_tokenizer_fuzz
    io_tokenizer_save
    io_tokenizer_stages
    io_tokenizer_vectors
    models_real
    nn_merge
    nn_save
  )
endif()

# The fuzzers' targets, on their corpora.
if(ZOFT_MODEL_TESTS AND ZOFT_TEXT_TESTS)
  zoft_text_test(
    fuzz/chat_template
    fuzz/config
    fuzz/gguf
    fuzz/journal
    fuzz/json_lines
    fuzz/llama2c
    fuzz/safetensors
    fuzz/tokenizer_bin
    fuzz/tokenizer_gguf
    fuzz/tokenizer_json
    fuzz/tokenizer_model
  )
  if(TARGET zoft::text AND ZOFT_EXAMPLES AND NOT ZOFT_EXAMPLES STREQUAL "engines" AND NOT ZOFT_ONLY_THREAD_TESTS)
    zoft_text_test(fuzz/options)
    target_link_libraries(zoft_tests PRIVATE finetune_parts)
  endif()
endif()

if(TARGET zoft::text)
  target_link_libraries(zoft_tests PRIVATE zoft::text)
elseif(TARGET zoft::nn)
  target_link_libraries(zoft_tests PRIVATE zoft::nn)
else()
  target_link_libraries(zoft_tests PRIVATE zoft::zoft)
endif()
find_package(Threads REQUIRED)
target_link_libraries(zoft_tests PRIVATE Threads::Threads)
if(ZOFT_LONG_STATISTICS)
  target_compile_definitions(zoft_tests PRIVATE ZOFT_LONG_STATISTICS)
endif()
catch_discover_tests(zoft_tests WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} EXTRA_ARGS ${no_tests_is_failure})
