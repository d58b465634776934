//! Compiles the UI (feature `ui`), and asks the linker for a smaller program.

fn main() {
    // A relocation of an address within the program takes 24 bytes of it, and the loader reads them
    // all: packed they are a megabyte less in every process. glibc 2.36 (Debian 12) knows how.
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    #[cfg(feature = "ui")]
    compile_ui();
}

#[cfg(feature = "ui")]
fn compile_ui() {
    // Fonts go into the program: a minimal system has none. The debug info is what lets tests find
    // an element by its id and its label.
    let config = slint_build::CompilerConfiguration::new()
        .embed_resources(slint_build::EmbedResourcesKind::EmbedFiles)
        .with_debug_info(true);
    slint_build::compile_with_config("ui/app.slint", config).expect("ui/app.slint compiles");
}
