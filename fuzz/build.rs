//! Links the fuzz targets: of what both trace.c and libFuzzer define, one is enough.

fn main() {
    println!("cargo:rustc-link-arg-bins=-Wl,--allow-multiple-definition");
}
