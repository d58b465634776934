//! How pages and picture get onto a panel: an ordered list of ways, for the kernel to test. Pure.
//!
//! ```text
//!   Yuv        pages   ARGB8888, with a hole      Scaled     pages  ARGB8888      Compose  both mixed,
//!              picture YUV420, scaled by the                 picture XRGB8888              one XRGB8888
//!                      hardware                              in its final size             plane
//! ```
//! KMS does not say whether a plane can scale: a YUV plane is taken to, and the kernel's test
//! decides. `zpos` says which plane lies above which; where planes have none, the kernel's order
//! does (primary, overlays, cursor, by number), as vkms and the helpers of the kernel have it. The
//! pages are always turned by the processor, since they change seldom; a picture that is scaled by
//! the hardware has to be turned by it, too.

use super::model::{ARGB8888, Kind, Model, Plane, XRGB8888, YUV420};
use crate::config::VideoPath;
use crate::geometry::Rotation;

/// What becomes of a picture on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Decoded into a buffer that the hardware scales, turns and colours.
    Yuv,
    /// Scaled and turned by the processor, on a plane of its own.
    Scaled,
    /// Mixed with the pages.
    Compose,
}

impl Layout {
    /// In the log.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Yuv => "a YUV plane for the picture",
            Self::Scaled => "a plane for the picture",
            Self::Compose => "a plane for pages and picture",
        }
    }
}

/// What a plane is used for, and how high it is put; `None`: it lies where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// The plane's id.
    pub(super) plane: u32,
    /// The value of its `zpos`, where it can be set.
    pub(super) zpos: Option<u64>,
}

/// One way onto the panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// What becomes of a picture.
    pub(super) layout: Layout,
    /// The pages.
    pub(super) ui: Role,
    /// The picture, under them.
    pub(super) video: Option<Role>,
    /// Black, under both, for hardware that wants its primary plane filled.
    pub(super) base: Option<Role>,
    /// Why this way, in a sentence.
    pub(super) reason: String,
}

/// The ways in which pages and picture can be shown on `crtc`, the best first; the last one is
/// compose. Empty: no plane takes the pages.
pub(super) fn ways(model: &Model, crtc: u32, wanted: VideoPath, rotation: Rotation) -> Vec<Way> {
    let ours = |plane: &&Plane| plane.crtcs.contains(&crtc) && plane.kind != Kind::Cursor;
    let planes: Vec<&Plane> = model.planes.iter().filter(ours).collect();
    let mut ways = Vec::new();
    if matches!(wanted, VideoPath::Auto | VideoPath::Plane) {
        for layout in [Layout::Yuv, Layout::Scaled] {
            ways.extend(stacks(&planes, layout, rotation));
        }
    }
    let reason = match wanted {
        VideoPath::Compose => "the processor mixes the picture in, as configured".to_owned(),
        VideoPath::Image => "the pages draw the picture, as configured".to_owned(),
        _ => format!("the processor mixes the picture in: {}", why_no_plane(&planes, rotation)),
    };
    ways.extend(compose(&planes, reason));
    ways
}

fn stacks(planes: &[&Plane], layout: Layout, rotation: Rotation) -> Vec<Way> {
    let (format, reason) = match layout {
        Layout::Yuv => {
            (YUV420, "the hardware scales the picture on a YUV plane of its own, under the pages")
        }
        _ => (XRGB8888, "the picture has a plane of its own, under the pages, without YUV"),
    };
    // The kernel counts the other way round.
    let turned = rotation.back().degrees();
    let quarter = matches!(rotation, Rotation::Quarter | Rotation::ThreeQuarters);
    let hardware_turns = layout == Layout::Yuv || quarter;
    let can =
        |plane: &&&Plane| plane.takes(format) && (!hardware_turns || plane.turns.contains(&turned));
    let primary = planes.iter().find(|plane| plane.kind == Kind::Primary);
    let mut found: Vec<(u8, Way)> = Vec::new();
    for video in planes.iter().filter(can) {
        for ui in planes.iter().filter(|plane| plane.takes(ARGB8888) && plane.id != video.id) {
            let taken = |plane: &Plane| plane.id == video.id || plane.id == ui.id;
            let base = primary.filter(|plane| !taken(plane) && plane.takes(XRGB8888));
            for base in [None, base.copied()] {
                let wish = match (ui.kind, video.kind, base) {
                    // The primary plane is always on: what every driver expects.
                    (Kind::Primary, _, _) => 0,
                    (_, Kind::Overlay, None) => 1,
                    (_, Kind::Primary, _) => 2,
                    _ => 3,
                };
                if found.iter().any(|(known, _)| *known == wish) {
                    continue;
                }
                let Some(roles) = stacked(base, video, ui) else { continue };
                let (base, video, ui) = roles;
                let reason = reason.to_owned();
                found.push((wish, Way { layout, ui, video: Some(video), base, reason }));
            }
        }
    }
    found.sort_by_key(|(wish, _)| *wish);
    found.into_iter().map(|(_, way)| way).collect()
}

/// The three as they can lie over each other, if they can.
fn stacked(base: Option<&Plane>, video: &Plane, ui: &Plane) -> Option<(Option<Role>, Role, Role)> {
    let every: Vec<&Plane> = base.into_iter().chain([video, ui]).collect();
    let mut roles = Vec::with_capacity(3);
    if every.iter().all(|plane| plane.zpos.is_some()) {
        let mut floor = None;
        for plane in &every {
            let zpos = plane.zpos?;
            floor = Some(zpos.above(floor)?);
            roles.push(Role { plane: plane.id, zpos: floor.filter(|_| zpos.mutable) });
        }
    } else if every.iter().all(|plane| plane.zpos.is_none()) {
        let height = |plane: &Plane| (plane.kind, plane.id);
        if !every.is_sorted_by(|lower, upper| height(lower) < height(upper)) {
            return None;
        }
        roles.extend(every.iter().map(|plane| Role { plane: plane.id, zpos: None }));
    } else {
        return None;
    }
    let (ui, video) = (roles.pop()?, roles.pop()?);
    Some((roles.pop(), video, ui))
}

fn compose(planes: &[&Plane], reason: String) -> Option<Way> {
    let takes = |plane: &&&Plane| plane.takes(XRGB8888);
    let plane = planes.iter().filter(takes).min_by_key(|plane| (plane.kind, plane.id))?;
    let ui = Role { plane: plane.id, zpos: None };
    Some(Way { layout: Layout::Compose, ui, video: None, base: None, reason })
}

fn why_no_plane(planes: &[&Plane], rotation: Rotation) -> String {
    if planes.len() < 2 {
        return "the panel has one plane only".to_owned();
    }
    if stacks(planes, Layout::Scaled, Rotation::None).is_empty() {
        return "no plane can lie under one with a hole".to_owned();
    }
    if rotation == Rotation::None {
        "the kernel refused every stack of planes".to_owned()
    } else {
        format!("planes that turn by {} degrees were not to be had", rotation.degrees())
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::models;
    use super::*;

    fn auto(model: &Model, rotation: Rotation) -> Vec<Way> {
        let connector = model.connectors.iter().find(|connector| connector.connected).unwrap();
        ways(model, connector.crtcs[0], VideoPath::Auto, rotation)
    }

    fn layouts(ways: &[Way]) -> Vec<Layout> {
        let mut layouts: Vec<Layout> = ways.iter().map(|way| way.layout).collect();
        layouts.dedup();
        layouts
    }

    /// Above which height each plane of a way lies, from below.
    fn heights(model: &Model, way: &Way) -> Vec<u64> {
        let height = |role: &Role| {
            let plane = model.planes.iter().find(|plane| plane.id == role.plane).unwrap();
            role.zpos.or(plane.zpos.map(|zpos| zpos.value)).unwrap_or(u64::from(plane.id))
        };
        way.base.iter().chain(&way.video).chain([&way.ui]).map(height).collect()
    }

    #[test]
    fn vc4_shows_the_picture_on_a_yuv_plane_under_the_pages() {
        let model = models::vc4();
        for rotation in [Rotation::None, Rotation::Half] {
            let ways = auto(&model, rotation);
            assert_eq!(layouts(&ways), [Layout::Yuv, Layout::Scaled, Layout::Compose]);
        }
        for way in auto(&model, Rotation::None) {
            let heights = heights(&model, &way);
            assert!(heights.is_sorted_by(|lower, upper| lower < upper), "{way:?}: {heights:?}");
        }
    }

    #[test]
    fn vc4_turned_by_a_quarter_mixes_by_the_processor_since_its_planes_only_turn_by_a_half() {
        for rotation in [Rotation::Quarter, Rotation::ThreeQuarters] {
            let ways = auto(&models::vc4(), rotation);
            assert_eq!(layouts(&ways), [Layout::Compose]);
            assert!(ways[0].reason.contains("degrees"), "{}", ways[0].reason);
        }
    }

    #[test]
    fn the_dsi_panel_of_a_pi_5_has_one_plane_and_mixes_by_the_processor() {
        let ways = auto(&models::rp1_dsi(), Rotation::None);
        assert_eq!(layouts(&ways), [Layout::Compose]);
        assert!(ways[0].reason.contains("one plane"), "{}", ways[0].reason);
    }

    #[test]
    fn virtio_gpu_shows_a_program_one_plane_and_mixes_by_the_processor() {
        assert_eq!(layouts(&auto(&models::virtio_gpu(), Rotation::None)), [Layout::Compose]);
    }

    #[test]
    fn vkms_has_no_yuv_and_no_zpos_and_stacks_planes_in_the_kernels_order() {
        let model = models::vkms();
        for rotation in [Rotation::None, Rotation::Quarter] {
            let ways = auto(&model, rotation);
            assert_eq!(layouts(&ways), [Layout::Scaled, Layout::Compose]);
            for way in &ways {
                let heights = heights(&model, way);
                assert!(heights.is_sorted_by(|lower, upper| lower < upper), "{heights:?}");
            }
        }
    }

    #[test]
    fn what_is_configured_comes_first_and_compose_is_always_left() {
        let model = models::vc4();
        let crtc = model.crtcs[0];
        let chosen = |wanted| layouts(&ways(&model, crtc, wanted, Rotation::None));
        assert_eq!(chosen(VideoPath::Compose), [Layout::Compose]);
        assert_eq!(chosen(VideoPath::Image), [Layout::Compose]);
        let plane = ways(&models::rp1_dsi(), crtc_of_rp1(), VideoPath::Plane, Rotation::None);
        assert_eq!(layouts(&plane), [Layout::Compose]);
    }

    fn crtc_of_rp1() -> u32 {
        models::rp1_dsi().crtcs[0]
    }

    #[test]
    fn planes_of_which_only_one_has_a_height_are_not_stacked() {
        let mut model = models::vc4();
        for plane in model.planes.iter_mut().filter(|plane| plane.kind == Kind::Primary) {
            plane.zpos = None;
        }
        for way in auto(&model, Rotation::None).iter().filter(|way| way.video.is_some()) {
            let roles: Vec<Role> = way.base.into_iter().chain(way.video).chain([way.ui]).collect();
            assert!(roles.iter().all(|role| role.zpos.is_some()), "{way:?}");
        }
    }

    #[test]
    fn another_crtcs_planes_are_not_ours() {
        let mut model = models::vc4();
        let crtc = model.connectors.iter().find(|connector| connector.connected).unwrap().crtcs[0];
        for plane in &mut model.planes {
            plane.crtcs.retain(|other| *other != crtc || plane.kind == Kind::Primary);
        }
        assert_eq!(layouts(&auto(&model, Rotation::None)), [Layout::Compose]);
    }
}
