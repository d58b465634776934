//! Compiles the UI (feature `ui`).

#[cfg(feature = "ui")]
fn main() {
    // Fonts go into the program: a minimal system has none. The debug info is what lets tests find
    // an element by its id and its label.
    let config = slint_build::CompilerConfiguration::new()
        .embed_resources(slint_build::EmbedResourcesKind::EmbedFiles)
        .with_debug_info(true);
    slint_build::compile_with_config("ui/app.slint", config).expect("ui/app.slint compiles");
}

#[cfg(not(feature = "ui"))]
fn main() {}
