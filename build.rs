//! Compiles the UI and draws its pictures (feature `ui`), and asks the linker for a smaller program.

fn main() {
    // A relocation of an address within the program takes 24 bytes of it, and the loader reads them
    // all: packed they are a megabyte less in every process. glibc 2.36 (Debian 12) knows how.
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") == "linux" && of("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    #[cfg(feature = "ui")]
    compile_ui();
    #[cfg(feature = "ui")]
    draw_pictures();
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

/// Each `ui/images/pictures/NAME.svg` as a PNG file on white, and a list of them in the order of
/// `PICTURES` in `src/pairing/mod.rs`.
#[cfg(feature = "ui")]
fn draw_pictures() {
    use resvg::{tiny_skia, usvg};

    const SIDE: u32 = 288;
    const NAMES: &str = "src/pairing/mod.rs";
    const FOLDER: &str = "ui/images/pictures";
    println!("cargo:rerun-if-changed={NAMES}");
    println!("cargo:rerun-if-changed={FOLDER}");
    let source = std::fs::read_to_string(NAMES).expect("the names of the pictures can be read");
    let (_, list) = source.split_once("pub const PICTURES").expect("the pictures have names");
    let (_, list) = list.split_once("= [").expect("a list of them");
    let (list, _) = list.split_once(']').expect("which ends");
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets it"));
    let mut files = String::from("[\n");
    for name in list.split('"').skip(1).step_by(2) {
        let from = format!("{FOLDER}/{name}.svg");
        let svg = std::fs::read(&from).unwrap_or_else(|error| panic!("read {from}: {error}"));
        let tree = usvg::Tree::from_data(&svg, &usvg::Options::default())
            .unwrap_or_else(|error| panic!("{from}: {error}"));
        let mut pixels = tiny_skia::Pixmap::new(SIDE, SIDE).expect("the size is not zero");
        pixels.fill(tiny_skia::Color::WHITE);
        let (wide, high) = (tree.size().width(), tree.size().height());
        let scale = tiny_skia::Transform::from_scale(SIDE as f32 / wide, SIDE as f32 / high);
        resvg::render(&tree, scale, &mut pixels.as_mut());
        let to = out.join(format!("{name}.png"));
        pixels.save_png(&to).unwrap_or_else(|error| panic!("write {}: {error}", to.display()));
        files.push_str(&format!("    include_bytes!({:?}),\n", to.display().to_string()));
    }
    files.push(']');
    std::fs::write(out.join("pictures.rs"), files).expect("the build folder can be written");
}
