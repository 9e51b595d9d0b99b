// Each stage of tokenizer.json by itself, against what Hugging Face's tokenizers 0.23 make of the same texts.
#include <string>
#include <vector>
#include <zoft/io/file/json.hpp>
#include <zoft/io/tokenizer/json_stages.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;
namespace stage = zoft::io::text_stage;

namespace {

// [stage, its JSON, text or tokens, what comes out]
// clang-format off
const char* const stage_answers = R"json(
[
["split",{"type":"WhitespaceSplit"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey,","friend's","42","caf\u00e9","--","3.14!"]],
["split",{"type":"WhitespaceSplit"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bdY"]],
["split",{"type":"WhitespaceSplit"},"a-b--c_d e",["a-b--c_d","e"]],
["split",{"type":"Whitespace"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",",","friend","'","s","42","caf\u00e9","--","3",".","14","!"]],
["split",{"type":"Whitespace"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bd","Y"]],
["split",{"type":"Whitespace"},"a-b--c_d e",["a","-","b","--","c_d","e"]],
["split",{"type":"BertPreTokenizer"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",",","friend","'","s","42","caf\u00e9","-","-","3",".","14","!"]],
["split",{"type":"BertPreTokenizer"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bdY"]],
["split",{"type":"BertPreTokenizer"},"a-b--c_d e",["a","-","b","-","-","c","_","d","e"]],
["split",{"type":"Digits","individual_digits":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  ","4","2","\u00a0caf\u00e9 -- ","3",".","1","4","!"]],
["split",{"type":"Digits","individual_digits":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003","\u00bd","Y\r\n\n "]],
["split",{"type":"Digits","individual_digits":true},"a-b--c_d e",["a-b--c_d e"]],
["split",{"type":"Digits","individual_digits":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  ","42","\u00a0caf\u00e9 -- ","3",".","14","!"]],
["split",{"type":"Digits","individual_digits":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003","\u00bd","Y\r\n\n "]],
["split",{"type":"Digits","individual_digits":false},"a-b--c_d e",["a-b--c_d e"]],
["split",{"type":"Punctuation"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",","," friend","'","s  42\u00a0caf\u00e9 ","-","-"," 3",".","14","!"]],
["split",{"type":"Punctuation"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Punctuation"},"a-b--c_d e",["a","-","b","-","-","c","_","d e"]],
["split",{"type":"Punctuation","behavior":"Contiguous"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",","," friend","'","s  42\u00a0caf\u00e9 ","--"," 3",".","14","!"]],
["split",{"type":"Punctuation","behavior":"Contiguous"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Punctuation","behavior":"Contiguous"},"a-b--c_d e",["a","-","b","--","c","_","d e"]],
["split",{"type":"Punctuation","behavior":"MergedWithPrevious"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey,"," friend'","s  42\u00a0caf\u00e9 -","-"," 3.","14!"]],
["split",{"type":"Punctuation","behavior":"MergedWithPrevious"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Punctuation","behavior":"MergedWithPrevious"},"a-b--c_d e",["a-","b-","-","c_","d e"]],
["split",{"type":"Punctuation","behavior":"MergedWithNext"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",", friend","'s  42\u00a0caf\u00e9 ","-","- 3",".14","!"]],
["split",{"type":"Punctuation","behavior":"MergedWithNext"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Punctuation","behavior":"MergedWithNext"},"a-b--c_d e",["a","-b","-","-c","_d e"]],
["split",{"type":"Punctuation","behavior":"Removed"},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey"," friend","s  42\u00a0caf\u00e9 "," 3","14"]],
["split",{"type":"Punctuation","behavior":"Removed"}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Punctuation","behavior":"Removed"},"a-b--c_d e",["a","b","c","d e"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["\u2581Hey,","\u2581friend's","\u2581","\u258142\u00a0caf\u00e9","\u2581--","\u25813.14!"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u2581\t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n","\u2581"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},"a-b--c_d e",["\u2581a-b--c_d","\u2581e"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["\u2581Hey,\u2581friend's\u2581\u258142\u00a0caf\u00e9\u2581--\u25813.14!"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u2581\t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n\u2581"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":false},"a-b--c_d e",["\u2581a-b--c_d\u2581e"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey,","\u2581friend's","\u2581","\u258142\u00a0caf\u00e9","\u2581--","\u25813.14!"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u2581\t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n","\u2581"]],
["split",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true},"a-b--c_d e",["a-b--c_d","\u2581e"]],
["split",{"type":"Metaspace","replacement":"_","add_prefix_space":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["_Hey,","_friend's","_","_42\u00a0caf\u00e9","_--","_3.14!"]],
["split",{"type":"Metaspace","replacement":"_","add_prefix_space":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["_\t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n","_"]],
["split",{"type":"Metaspace","replacement":"_","add_prefix_space":true},"a-b--c_d e",["_a-b--c","_d","_e"]],
["split",{"type":"Split","pattern":{"Regex":"\\d+|\\p{P}"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",","," friend","'","s  ","42","\u00a0caf\u00e9 ","-","-"," ","3",".","14","!"]],
["split",{"type":"Split","pattern":{"Regex":"\\d+|\\p{P}"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Split","pattern":{"Regex":"\\d+|\\p{P}"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a","-","b","-","-","c","_","d e"]],
["split",{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)|\\s+"},"behavior":"Removed","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey,","friend's","42","caf\u00e9","--","3.14!"]],
["split",{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)|\\s+"},"behavior":"Removed","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bdY"]],
["split",{"type":"Split","pattern":{"Regex":"\\s+(?!\\S)|\\s+"},"behavior":"Removed","invert":false},"a-b--c_d e",["a-b--c_d","e"]],
["split",{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey","friend","s","42","caf\u00e9","3","14"]],
["split",{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bdY"]],
["split",{"type":"Split","pattern":{"Regex":"\\w+"},"behavior":"Removed","invert":true},"a-b--c_d e",["a","b","c_d","e"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  42\u00a0caf\u00e9 -","-"," 3.14!"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithPrevious","invert":false},"a-b--c_d e",["a-","b-","-","c_d e"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  42\u00a0caf\u00e9 ","-","- 3.14!"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"MergedWithNext","invert":false},"a-b--c_d e",["a","-b","-","-c_d e"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  42\u00a0caf\u00e9 ","--"," 3.14!"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Contiguous","invert":false},"a-b--c_d e",["a","-","b","--","c_d e"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey, friend's  42\u00a0caf\u00e9 ","-","-"," 3.14!"]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n "]],
["split",{"type":"Split","pattern":{"String":"-"},"behavior":"Isolated","invert":true},"a-b--c_d e",["a","-","b","-","-","c_d e"]],
["split",{"type":"Split","pattern":{"Regex":"(?=\\p{L})"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["H","e","y, ","f","r","i","e","n","d'","s  42\u00a0","c","a","f","\u00e9 -- 3.14!"]],
["split",{"type":"Split","pattern":{"Regex":"(?=\\p{L})"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t","\u6211","\u3042","x\u0301\u2003\u00bd","Y\r\n\n "]],
["split",{"type":"Split","pattern":{"Regex":"(?=\\p{L})"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a-","b--","c_","d ","e"]],
["split",{"type":"Split","pattern":{"Regex":"\\b"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",", ","friend","'","s","  ","42","\u00a0","caf\u00e9"," -- ","3",".","14","!"]],
["split",{"type":"Split","pattern":{"Regex":"\\b"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t","\u6211\u3042x\u0301","\u2003","\u00bdY","\r\n\n "]],
["split",{"type":"Split","pattern":{"Regex":"\\b"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a","-","b","--","c_d"," ","e"]],
["split",{"type":"Split","pattern":{"Regex":"(?i:'S|e)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{Han}"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",","," friend","'s","  42","\u00a0caf\u00e9"," -- 3.14!"]],
["split",{"type":"Split","pattern":{"Regex":"(?i:'S|e)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{Han}"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" ","\t\u6211\u3042x","\u0301\u2003\u00bd","Y","\r\n\n "]],
["split",{"type":"Split","pattern":{"Regex":"(?i:'S|e)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{Han}"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a","-b","-","-c","_d"," e"]],
["split",{"type":"Split","pattern":{"Regex":"[^\\S ]|^.|.$"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["H","ey, friend's  42","\u00a0","caf\u00e9 -- 3.14","!"]],
["split",{"type":"Split","pattern":{"Regex":"[^\\S ]|^.|.$"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" ","\t","\u6211\u3042x\u0301","\u2003","\u00bdY","\r","\n","\n"," "]],
["split",{"type":"Split","pattern":{"Regex":"[^\\S ]|^.|.$"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a","-b--c_d ","e"]],
["split",{"type":"Split","pattern":{"Regex":"\\p{N}{1,2}|\\h\\H"},"behavior":"Isolated","invert":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["H","ey",", ","fr","i","en","d'","s  ","42","\u00a0ca","f\u00e9"," -- ","3",".","14","!"]],
["split",{"type":"Split","pattern":{"Regex":"\\p{N}{1,2}|\\h\\H"},"behavior":"Isolated","invert":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",[" \t\u6211\u3042x\u0301\u2003","\u00bd","Y\r\n\n "]],
["split",{"type":"Split","pattern":{"Regex":"\\p{N}{1,2}|\\h\\H"},"behavior":"Isolated","invert":false},"a-b--c_d e",["a-","b-","-","c_","d ","e"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"}]},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["\u2581Hey,","friend's","42","caf\u00e9","--","3.14!"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"}]}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bdY"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"}]},"a-b--c_d e",["\u2581a-b--c_d","e"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Punctuation"},{"type":"WhitespaceSplit"}]},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",",","friend","'","s","4","2","caf\u00e9","-","-","3",".","1","4","!"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Punctuation"},{"type":"WhitespaceSplit"}]}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u6211\u3042x\u0301","\u00bd","Y"]],
["split",{"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},{"type":"Punctuation"},{"type":"WhitespaceSplit"}]},"a-b--c_d e",["a","-","b","-","-","c","_","d","e"]],
["bytes",{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["Hey",",","\u0120friend","'s","\u0120","\u012042","\u00c2\u0142","caf\u00c3\u00a9","\u0120--","\u01203",".","14","!"]],
["bytes",{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u0120","\u0109","\u00e6\u012a\u0133\u00e3\u0123\u0124x","\u00cc\u0123","\u00e2\u0122\u0125","\u00c2\u00bd","Y","\u010d\u010a\u010a\u0120"]],
["bytes",{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},"a-b--c_d e",["a","-","b","--","c","_","d","\u0120e"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["\u0120Hey",",","\u0120friend","'s","\u0120","\u012042","\u00c2\u0142","caf\u00c3\u00a9","\u0120--","\u01203",".","14","!"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u0120","\u0109","\u00e6\u012a\u0133\u00e3\u0123\u0124x","\u00cc\u0123","\u00e2\u0122\u0125","\u00c2\u00bd","Y","\u010d\u010a\u010a\u0120"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},"a-b--c_d e",["\u0120a","-","b","--","c","_","d","\u0120e"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false},"Hey, friend's  42\u00a0caf\u00e9 -- 3.14!",["\u0120Hey,\u0120friend's\u0120\u012042\u00c2\u0142caf\u00c3\u00a9\u0120--\u01203.14!"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false}," \t\u6211\u3042x\u0301\u2003\u00bdY\r\n\n ",["\u0120\u0109\u00e6\u012a\u0133\u00e3\u0123\u0124x\u00cc\u0123\u00e2\u0122\u0125\u00c2\u00bdY\u010d\u010a\u010a\u0120"]],
["bytes",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":false},"a-b--c_d e",["\u0120a-b--c_d\u0120e"]],
["normalize",{"type":"NFC"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u01fa \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"NFC"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0308\u0301\uac01 na\u00efve  \u2581"],
["normalize",{"type":"NFD"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," A\u030a\u0301 \ufb01 I\u0307I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"NFD"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u017f\u0323\u0307 \u0308\u0301\u1100\u1161\u11a8 nai\u0308ve  \u2581"],
["normalize",{"type":"NFKC"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u01fa fi \u0130I\u03a3 1 \tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"NFKC"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e69 \u0308\u0301\uac01 na\u00efve  \u2581"],
["normalize",{"type":"NFKD"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," A\u030a\u0301 fi I\u0307I\u03a3 1 \tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"NFKD"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","s\u0323\u0307 \u0308\u0301\u1100\u1161\u11a8 nai\u0308ve  \u2581"],
["normalize",{"type":"Lowercase"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u00e5\u0301 \ufb01 i\u0307i\u03c3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"Lowercase"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581"],
["normalize",{"type":"StripAccents"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u00c5 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"StripAccents"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b \uac01 na\u00efve  \u2581"],
["normalize",{"type":"Nmt"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0 x\u0000y \u4e2d \u0085 "],
["normalize",{"type":"Nmt"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve   "],
["normalize",{"type":"Strip","strip_left":true,"strip_right":true}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 ","\u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd"],
["normalize",{"type":"Strip","strip_left":true,"strip_right":true},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581"],
["normalize",{"type":"Strip","strip_left":false,"strip_right":true}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd"],
["normalize",{"type":"Strip","strip_left":false,"strip_right":true},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581"],
["normalize",{"type":"Prepend","prepend":"\u2581"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 ","\u2581 \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"Prepend","prepend":"\u2581"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u2581\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581"],
["normalize",{"type":"Replace","pattern":{"String":" "},"content":"\u2581"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 ","\u2581\u00c5\u0301\u2581\ufb01\u2581\u0130I\u03a3\u2581\u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085\u2581"],
["normalize",{"type":"Replace","pattern":{"String":" "},"content":"\u2581"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323\u2581\u0344\uac01\u2581na\u00efve\u2581\u2581\u2581"],
["normalize",{"type":"Replace","pattern":{"Regex":" {2,}|\\p{Lu}"},"content":"<>"}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," <>\u0301 \ufb01 <><><> \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"Replace","pattern":{"Regex":" {2,}|\\p{Lu}"},"content":"<>"},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve<>\u2581"],
["normalize",{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," a \ufb01 ii\u03c3 \u2460  xy \u4e2d  "],
["normalize",{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u017f \u1100\u1161\u11a8 naive  \u2581"],
["normalize",{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," A \ufb01 II\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"BertNormalizer","clean_text":false,"handle_chinese_chars":false,"strip_accents":true,"lowercase":false},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u017f \u1100\u1161\u11a8 naive  \u2581"],
["normalize",{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":false}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460  xy \u4e2d  "],
["normalize",{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":false},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581"],
["normalize",{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]}," \u00c5\u0301 \ufb01 \u0130I\u03a3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "," a \ufb01 ii\u03c3 \u2460\u00a0\tx\u0000y\u200b\u4e2d\ufffd\u0085 "],
["normalize",{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"}]},"\u1e9b\u0323 \u0344\uac01 na\u00efve  \u2581","\u017f \u1100\u1161\u11a8 naive  \u2581"],
["decode",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581a<0xFF><0xC3>!"],
["decode",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"]," caf\u00e9##sdo not\ufffd.</w>"],
["decode",{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"ByteFallback"},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey\u00e9\u2581a\ufffd\ufffd!"],
["decode",{"type":"ByteFallback"},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"ByteFallback"},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"Fuse"},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581a<0xFF><0xC3>!"],
["decode",{"type":"Fuse"},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Fuse"},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"Hey<0xC3><0xA9> a<0xFF><0xC3>!"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"]," Hey<0xC3><0xA9> a<0xFF><0xC3>!"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never","split":true},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":true},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey <0xC3> <0xA9> \u2581a <0xFF> <0xC3>!"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":true},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf \u00c3\u00a9s do  not \u00c3.</w>"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":true},["##a","##b"," n't","#c#","  ' x","</w>d"],"##ab n't #c#  'x </w>d"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":false},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey <0xC3> <0xA9> \u2581a <0xFF> <0xC3> !"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":false},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf \u00c3\u00a9s do  not \u00c3 .</w>"],
["decode",{"type":"WordPiece","prefix":"##","cleanup":false},["##a","##b"," n't","#c#","  ' x","</w>d"],"##ab  n't #c#   ' x </w>d"],
["decode",{"type":"BPEDecoder","suffix":"</w>"},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581a<0xFF><0xC3>!"],
["decode",{"type":"BPEDecoder","suffix":"</w>"},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3."],
["decode",{"type":"BPEDecoder","suffix":"</w>"},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' xd"],
["decode",{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"]," Hey<0xC3><0xA9> a<0xFF><0xC3>!"],
["decode",{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"],
["decode",{"type":"Replace","pattern":{"Regex":"[a-c]"},"content":"*"},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581*<0xFF><0xC3>!"],
["decode",{"type":"Replace","pattern":{"Regex":"[a-c]"},"content":"*"},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120**f\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Replace","pattern":{"Regex":"[a-c]"},"content":"*"},["##a","##b"," n't","#c#","  ' x","</w>d"],"##*##* n't#*#  ' x</w>d"],
["decode",{"type":"Strip","content":" ","start":1,"stop":0},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581a<0xFF><0xC3>!"],
["decode",{"type":"Strip","content":" ","start":1,"stop":0},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdonot\u00c3.</w>"],
["decode",{"type":"Strip","content":" ","start":1,"stop":0},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##bn't#c# ' x</w>d"],
["decode",{"type":"Strip","content":"#","start":2,"stop":1},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"\u2581Hey<0xC3><0xA9>\u2581a<0xFF><0xC3>!"],
["decode",{"type":"Strip","content":"#","start":2,"stop":1},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9sdo not\u00c3.</w>"],
["decode",{"type":"Strip","content":"#","start":2,"stop":1},["##a","##b"," n't","#c#","  ' x","</w>d"],"ab n'tc  ' x</w>d"],
["decode",{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},["\u2581Hey","<0xC3>","<0xA9>","\u2581a","<0xFF>","<0xC3>","!"],"Hey\u00e9 a\ufffd\ufffd!"],
["decode",{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},["\u0120caf","\u00c3\u00a9","##s","do"," not","\u00c3",".</w>"],"\u0120caf\u00c3\u00a9##sdo not\u00c3.</w>"],
["decode",{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},["##a","##b"," n't","#c#","  ' x","</w>d"],"##a##b n't#c#  ' x</w>d"]
])json";
// clang-format on

struct collecting_sink final : stage::piece_sink {
  void operator()(const stage::piece& part) override { texts.emplace_back(part.text); }
  std::vector<std::string> texts;
};

json stage_result(const std::string& kind, const json& config, const json& input) {
  if (kind == "normalize") {
    stage::normalizer steps;
    add_normalizers(steps, config, "test");
    auto text = input.get<std::string>();
    steps(text);
    return text;
  }
  if (kind == "decode") {
    stage::decoder steps;
    add_decoders(steps, config, "test");
    return steps(input.get<std::vector<std::string>>());
  }
  stage::pre_tokenizer stages;
  const bool bytes = add_splitters(stages, config, "test");
  CHECK(bytes == (kind == "bytes"));
  collecting_sink sink;
  const auto text = input.get<std::string>();
  stages({text, true}, sink);
  if (bytes)
    for (std::string& piece : sink.texts) piece = stage::token_of_bytes(piece);
  return sink.texts;
}

}  // namespace

TEST_CASE("tokenizer stages: as Hugging Face's", "[io]") {
  std::size_t count = 0;
  for (const json& row : json::parse(stage_answers)) {
    INFO(row.dump());
    CHECK(stage_result(row[0], row[1], row[2]) == row[3]);
    ++count;
  }
  CHECK(count == 164);
}

TEST_CASE("tokenizer stages: what is not known is refused by name", "[io]") {
  const auto refused = [](auto add, const char* config, std::initializer_list<std::string> parts) {
    check_refused([&] { add(json::parse(config)); }, parts);
  };
  const auto split = [](const json& config) {
    stage::pre_tokenizer stages;
    add_splitters(stages, config, "t.json: pre_tokenizer");
  };
  refused(split, R"({"type":"Odd"})", {"t.json: pre_tokenizer", "'Odd' is not supported"});
  refused(split, R"({"kind":"Odd"})", {"t.json: pre_tokenizer", "type is missing"});
  refused(split, R"([])", {"t.json: pre_tokenizer", "must be an object"});
  refused(split, R"({"type":"Sequence"})", {"pretokenizers is missing"});
  refused(split, R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]})",
          {"ByteLevel is not the last"});
  refused(split, R"({"type":"Split","pattern":{"String":"a"},"behavior":"Odd"})", {"behavior is \"Odd\""});
  refused(split, R"({"type":"Split","behavior":"Isolated"})", {"pattern is missing"});
  refused(split, R"({"type":"Metaspace","replacement":"ab"})", {"replacement is \"ab\"", "one character"});
  refused(split, R"({"type":"Metaspace","replacement":"_","prepend_scheme":"odd"})", {"prepend_scheme is \"odd\""});
  const auto pattern = [&](const std::string& text, const std::string& part) {
    const json config{{"type", "Split"}, {"pattern", {{"Regex", text}}}, {"behavior", "Isolated"}, {"invert", false}};
    check_refused([&] { split(config); }, {"t.json: pre_tokenizer: the pattern", part});
  };
  pattern("(a", "is not understood");
  pattern("\\p{Odd}", "is not understood");
  pattern("[a[bc]]", "'[...['");
  pattern("[a&&b]", "'[...&&'");
  pattern("a{2}+", "'{...}+'");
  pattern("a(?i)b", "'(?i)'");
  pattern("(?m)a", "'(?m)'");
  pattern("\\K", "is not supported");
  pattern("\\", "is not supported");
  pattern("\\p", "is not supported");
  pattern("[]a]", "'[]'");
  std::string deep = R"({"type":"Digits"})";
  for (int i = 0; i < 40; ++i) deep += R"(,{"type":"Digits"})";
  refused(split, (R"({"type":"Sequence","pretokenizers":[)" + deep + "]}").c_str(), {"more than 32"});

  const auto normalize = [](const json& config) {
    stage::normalizer steps;
    add_normalizers(steps, config, "t.json: normalizer");
  };
  refused(normalize, R"({"type":"Odd"})", {"t.json: normalizer", "'Odd' is not supported"});
  refused(normalize, R"({"type":"Prepend"})", {"prepend is missing"});
  refused(normalize, R"({"type":"Precompiled","precompiled_charsmap":"*"})", {"base64"});
  refused(normalize, R"({"type":"Precompiled","precompiled_charsmap":"AAAA"})", {"character map"});
  const auto decode = [](const json& config) {
    stage::decoder steps;
    add_decoders(steps, config, "t.json: decoder");
  };
  refused(decode, R"({"type":"CTC"})", {"'CTC' is not supported"});
  refused(decode, R"({"type":"Strip","content":" ","start":-1,"stop":0})", {"start is -1"});
  const auto process = [](const json& config) {
    stage::pipeline p;
    add_post_processor(p, config, "t.json: post_processor");
  };
  refused(process, R"({"type":"Odd"})", {"'Odd' is not supported"});
  refused(process, R"({"type":"BertProcessing","cls":["a",1]})", {"sep is missing"});
  refused(process, R"({"type":"BertProcessing","cls":["a",-1],"sep":["b",2]})", {"cls is a list of 2"});
  refused(process, R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}]})", {"has no 'x'"});
  refused(process, R"({"type":"TemplateProcessing","single":[]})", {"0 times"});
  refused(process, R"({"type":"TemplateProcessing","single":[{"Odd":1}]})", {"SpecialToken is missing"});
}

TEST_CASE("tokenizer stages: long texts of one kind are divided at once", "[io]") {
  const auto pieces = [](const std::string& pattern, const std::string& text) {
    stage::pre_tokenizer stages;
    stages.add(
        std::make_shared<stage::split_by_regex>(stage::regex(pattern, "test"), stage::delimiter::isolated, false));
    collecting_sink sink;
    stages({text, true}, sink);
    return sink.texts.size();
  };
  for (const char c : {' ', 'a', '1', '.', '\n'}) {
    INFO(static_cast<int>(c));
    CHECK(pieces(stage::gpt2_pattern, std::string(1'000'000, c)) == 1);
  }
  CHECK(pieces(stage::gpt2_pattern, std::string(1'000'000, ' ') + "a") == 2);
  CHECK(pieces("(a|b)+c?", std::string(200'000, 'a')) == 1);
}
