#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| zerocache_fuzz::run("node_sim", data));
