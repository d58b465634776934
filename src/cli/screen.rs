//! Which screen the kiosk is shown on, when nobody has said so: a window, a panel, or none.

use anyhow::bail;

use super::has_display;
use crate::config::{Config, ScreenKind as Wanted};
use crate::ui::ScreenKind;
use crate::ui::panel::Panel;

/// The screen that `wanted` means on this machine, and the panel its pages are laid out for.
///
/// # Errors
/// It can't be had here: a sentence.
pub(super) fn choose(wanted: Wanted, config: &Config) -> anyhow::Result<(ScreenKind, Panel)> {
    let panel = Panel::of(config.kiosk.size.0);
    match wanted {
        Wanted::Window if cfg!(feature = "desktop") && !has_display() => {
            bail!(
                "there is no display here; `twocan kiosk --screen kms` needs none, \
                 `--screen headless` draws for nobody"
            )
        }
        Wanted::Window => Ok((ScreenKind::Window, panel.square())),
        Wanted::Headless => Ok((ScreenKind::Headless, panel)),
        Wanted::Kms => Ok((kms(config)?, panel)),
        Wanted::Auto if has_display() => Ok((ScreenKind::Window, panel.square())),
        Wanted::Auto if has_panel(config) => Ok((kms(config)?, panel)),
        Wanted::Auto => Ok((ScreenKind::Headless, panel)),
    }
}

/// Whether the pages belong on a panel of the kernel's: one that could be taken now, or one that a
/// card waits for (at boot a program may be there before its panel).
#[cfg(feature = "kms")]
fn has_panel(config: &Config) -> bool {
    match crate::ui::kms::probe(&config.display, config.kiosk.size.0) {
        Ok(found) => {
            tracing::info!(
                "no desktop here; the pages go to {} of {}",
                found.connector.as_deref().unwrap_or("the panel"),
                found.card.as_deref().unwrap_or("the card"),
            );
            true
        }
        Err(error) if crate::ui::kms::has_card() => {
            tracing::info!("no desktop here, and {error}: the pages wait for a panel");
            true
        }
        Err(error) => {
            tracing::info!("no desktop here, and {error}: the pages are drawn for nobody");
            false
        }
    }
}

#[cfg(not(feature = "kms"))]
fn has_panel(_config: &Config) -> bool {
    false
}

/// A panel of the kernel's; where there is none yet it is waited for.
#[cfg(feature = "kms")]
#[allow(clippy::unnecessary_wraps, reason = "a build without `kms` has none")]
fn kms(config: &Config) -> anyhow::Result<ScreenKind> {
    use std::sync::Arc;

    use crate::ui::kms::surface::Surface;
    use crate::ui::kms::{Appliance, Display, Options};

    let (display, size) = (config.display.clone(), config.kiosk.size.0);
    let rotation = display.rotate.0;
    Ok(ScreenKind::Kms(Appliance {
        surface: Box::new(move |changed| {
            Ok(Display::start(Options { display, size, changed })? as Arc<dyn Surface>)
        }),
        fingers: Some(rotation),
    }))
}

#[cfg(not(feature = "kms"))]
fn kms(_config: &Config) -> anyhow::Result<ScreenKind> {
    bail!("this twocan was built without `kms`; use `--screen headless`")
}
