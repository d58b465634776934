//! Which panel of all cards is taken, and in which mode. Pure.
//!
//! By connected connector and not by the card's number: on a Pi 5 the DSI panel is a card of its
//! own, and the numbers change from boot to boot. A panel that is built in comes before a monitor,
//! and what only exists in an emulator comes last, but is taken.

use super::model::{Connector, Mode, Model};
use crate::config;
use crate::frame::Size;

/// A panel that can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pick {
    /// Which of the models.
    pub(super) card: usize,
    /// Which of its connectors.
    pub(super) connector: usize,
    /// Which of the connector's modes.
    pub(super) mode: usize,
    /// The CRTC's id.
    pub(super) crtc: u32,
}

/// The best panel of these cards, or the one that is `wanted`; `None`: it is not connected.
/// `size` is the panel's size that is wished for.
pub(super) fn pick(models: &[Model], wanted: &config::Connector, size: Size) -> Option<Pick> {
    let every = models.iter().enumerate().flat_map(|(card, model)| {
        model.connectors.iter().enumerate().map(move |(at, connector)| (card, at, connector))
    });
    every
        .filter(|(_, _, connector)| connector.connected && !connector.modes.is_empty())
        .filter(|(_, _, connector)| wanted.name().is_none_or(|name| name == connector.name))
        .filter_map(|(card, at, connector)| {
            let rank = rank(&connector.name)?;
            let crtc = crtc(&models[card], at)?;
            Some((rank, Pick { card, connector: at, mode: mode(connector, size), crtc }))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, pick)| pick)
}

/// The smaller the better; `None`: no panel at all.
fn rank(name: &str) -> Option<u8> {
    let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
    match kind {
        "Writeback" => None,
        "DSI" => Some(0),
        "DPI" | "LVDS" | "eDP" => Some(1),
        "Virtual" => Some(3),
        _ => Some(2),
    }
}

/// Built-in panels and emulators have the size that somebody asked for; a monitor knows best.
fn mode(connector: &Connector, size: Size) -> usize {
    let ours = rank(&connector.name).is_some_and(|rank| rank != 2);
    let far = |mode: &Mode| {
        mode.width.abs_diff(size.width) as u64 + u64::from(mode.height.abs_diff(size.height))
    };
    let key = |mode: &Mode| (if ours { far(mode) } else { 0 }, !mode.preferred);
    let best = connector.modes.iter().enumerate().min_by_key(|(_, mode)| key(mode));
    best.map_or(0, |(at, _)| at)
}

/// The CRTC that drives it already, else one that drives nothing else, else any that can.
fn crtc(model: &Model, connector: usize) -> Option<u32> {
    let this = &model.connectors[connector];
    let can = |crtc: &u32| this.crtcs.contains(crtc);
    let busy = |crtc: u32| {
        let mut others = model.connectors.iter().filter(|other| other.id != this.id);
        others.any(|other| other.crtc == Some(crtc))
    };
    let mut free = model.crtcs.iter().copied().filter(|crtc| can(crtc) && !busy(*crtc));
    this.crtc.filter(can).or_else(|| free.next()).or_else(|| this.crtcs.first().copied())
}

#[cfg(test)]
mod tests {
    use super::super::model::models;
    use super::*;

    const SIZE: Size = Size::new(800, 480);

    fn name<'a>(models: &'a [Model], pick: &Pick) -> &'a str {
        &models[pick.card].connectors[pick.connector].name
    }

    fn auto(models: &[Model]) -> Option<Pick> {
        pick(models, &config::Connector::default(), SIZE)
    }

    fn wanted(models: &[Model], name: &str) -> Option<Pick> {
        let config = toml::from_str::<config::Display>(&format!("connector = \"{name}\""));
        pick(models, &config.unwrap().connector, SIZE)
    }

    #[test]
    fn on_a_pi_5_the_dsi_panel_is_taken_although_its_card_comes_last() {
        let mut monitor = models::vc4();
        monitor.connectors.retain(|connector| connector.name.starts_with("HDMI"));
        monitor.connectors[0].connected = true;
        monitor.connectors[0].modes =
            vec![Mode { width: 1920, height: 1080, refresh: 60, preferred: true }];
        let models = [monitor, models::rp1_dsi()];
        let pick = auto(&models).unwrap();
        assert_eq!((pick.card, name(&models, &pick)), (1, "DSI-1"));
        let named = wanted(&models, "HDMI-A-1").unwrap();
        assert_eq!((named.card, name(&models, &named)), (0, "HDMI-A-1"));
    }

    #[test]
    fn an_emulated_panel_is_taken_where_there_is_no_other_in_the_size_that_is_wished_for() {
        let models = [models::virtio_gpu()];
        let pick = auto(&models).unwrap();
        let connector = &models[0].connectors[pick.connector];
        assert_eq!(connector.name, "Virtual-1");
        assert_eq!(connector.modes[pick.mode].size(), SIZE);
    }

    #[test]
    fn a_monitor_shows_its_preferred_mode() {
        let mut model = models::vc4();
        for connector in &mut model.connectors {
            connector.connected = connector.name == "HDMI-A-1";
        }
        let mode = |width, height, preferred| Mode { width, height, refresh: 60, preferred };
        model.connectors.iter_mut().find(|c| c.connected).unwrap().modes =
            vec![mode(800, 480, false), mode(1920, 1080, true)];
        let models = [model];
        let pick = auto(&models).unwrap();
        assert_eq!(pick.mode, 1);
    }

    #[test]
    fn nothing_connected_is_no_panel_and_so_is_a_name_that_nobody_has() {
        let mut models = [models::vc4()];
        assert_eq!(wanted(&models, "DSI-7"), None);
        models[0].connectors.iter_mut().for_each(|connector| connector.connected = false);
        assert_eq!(auto(&models), None);
    }

    #[test]
    fn a_crtc_that_drives_another_panel_is_left_alone() {
        let mut model = models::vc4();
        let crtcs = model.crtcs.clone();
        for connector in &mut model.connectors {
            connector.crtcs.clone_from(&crtcs);
            connector.connected = true;
            connector.crtc = (connector.name != "DSI-1").then_some(crtcs[0]);
        }
        let pick = auto(&[model]).unwrap();
        assert_eq!(pick.crtc, crtcs[1]);
    }
}
