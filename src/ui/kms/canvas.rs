//! The pages as they were drawn last, and what of them each buffer still lacks.
//!
//! The canvas is the display thread's own copy: a panel that comes back is painted from it, and so
//! is every picture that is mixed into it. For that it knows for each of its rows where the hole
//! is, found once per drawing and not once per picture.

use super::surface::Patch;
use crate::frame::Size;
use crate::geometry::Rect;

/// What to do with a run of pixels in front of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// Nothing there: the picture is seen.
    Hole,
    /// The pages hide it.
    Opaque,
    /// Some of both.
    Mixed,
}

/// Pixels of one row up to `end`, from the end of the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The first column that is not in it.
    pub(super) end: u32,
    /// All its pixels are like this.
    pub(super) cover: Cover,
}

/// A run that is shorter is mixed pixel by pixel: that costs less than to change over.
const SHORTEST: u32 = 8;

/// The drawing: 0xAARRGGBB, the colours multiplied by alpha.
pub(super) struct Canvas {
    size: Size,
    pixels: Vec<u32>,
    /// Runs of each row; empty: not looked for since it was drawn.
    runs: Vec<Vec<Run>>,
    drawn: bool,
}

impl Canvas {
    /// An empty one: all hole.
    pub(super) fn new(size: Size) -> Self {
        let runs = vec![Vec::new(); size.height as usize];
        Self { size, pixels: vec![0; size.pixels()], runs, drawn: false }
    }

    /// In pixels.
    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// All of it has been drawn: parts of pages alone are not to be seen.
    pub(super) fn is_drawn(&self) -> bool {
        self.drawn
    }

    /// Take a patch in; false: it is not for a canvas of this size.
    pub(super) fn apply(&mut self, patch: &Patch) -> bool {
        let Patch { rect, pixels } = patch;
        let inside = rect.meet(Rect::whole(self.size)) == *rect;
        if rect.is_empty() || !inside || pixels.len() != rect.size.pixels() {
            return false;
        }
        let width = rect.size.width as usize;
        for (y, row) in (rect.y..).zip(pixels.chunks_exact(width)) {
            let at = y as usize * self.size.width as usize + rect.x as usize;
            self.pixels[at..at + width].copy_from_slice(row);
            self.runs[y as usize].clear();
        }
        self.drawn |= *rect == Rect::whole(self.size);
        true
    }

    /// One row of pixels.
    pub(super) fn row(&self, y: u32) -> &[u32] {
        let width = self.size.width as usize;
        &self.pixels[y as usize * width..][..width]
    }

    /// Look for the hole in these rows, where that was not done yet; [`Canvas::runs`] then has it.
    pub(super) fn look(&mut self, rows: std::ops::Range<u32>) {
        let width = self.size.width as usize;
        for y in rows.start as usize..rows.end as usize {
            if self.runs[y].is_empty() {
                find_runs(&self.pixels[y * width..][..width], &mut self.runs[y]);
            }
        }
    }

    /// The runs of a row that was looked at.
    pub(super) fn runs(&self, y: u32) -> &[Run] {
        &self.runs[y as usize]
    }
}

fn find_runs(row: &[u32], runs: &mut Vec<Run>) {
    let cover = |pixel: u32| match pixel {
        0 => Cover::Hole,
        opaque if opaque >> 24 == 255 => Cover::Opaque,
        _ => Cover::Mixed,
    };
    let mut end = 0;
    for part in row.chunk_by(|left, right| cover(*left) == cover(*right)) {
        let start = end;
        end += part.len() as u32;
        let short = end - start < SHORTEST;
        let cover = if short { Cover::Mixed } else { cover(part[0]) };
        match runs.last_mut() {
            Some(last) if last.cover == cover => last.end = end,
            _ => runs.push(Run { end, cover }),
        }
    }
}

/// What has to be painted again, as few rectangles.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage(Vec<Rect>);

/// With more of them, the two that lie best together become one.
const MOST: usize = 8;

impl Damage {
    /// That too.
    pub(super) fn add(&mut self, rect: Rect) {
        if rect.is_empty() {
            return;
        }
        let mut rect = rect;
        // What costs no more together than apart becomes one.
        while let Some(at) = self.0.iter().position(|other| waste(*other, rect) <= 0) {
            rect = rect.join(self.0.swap_remove(at));
        }
        self.0.push(rect);
        if self.0.len() > MOST {
            let last = self.0.len() - 1;
            let best = (0..last).min_by_key(|at| waste(self.0[*at], rect)).unwrap_or(0);
            let joined = self.0[best].join(rect);
            self.0.truncate(last);
            self.0.swap_remove(best);
            self.add(joined);
        }
    }

    /// All of it; none is left.
    pub(super) fn take(&mut self) -> Vec<Rect> {
        std::mem::take(&mut self.0)
    }
}

/// How many more pixels it is to paint them as one.
fn waste(one: Rect, other: Rect) -> i64 {
    let pixels = |rect: Rect| rect.size.pixels() as i64;
    pixels(one.join(other)) - pixels(one) - pixels(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(x: u32, y: u32, width: u32, height: u32, pixel: u32) -> Patch {
        let rect = Rect::new(x, y, width, height);
        Patch { rect, pixels: vec![pixel; rect.size.pixels()] }
    }

    #[test]
    fn a_patch_lands_where_it_belongs_and_one_for_another_size_nowhere() {
        let mut canvas = Canvas::new(Size::new(4, 3));
        assert!(!canvas.is_drawn());
        assert!(canvas.apply(&patch(1, 1, 2, 2, 7)));
        assert_eq!(canvas.row(0), [0; 4]);
        assert_eq!(canvas.row(1), [0, 7, 7, 0]);
        assert_eq!(canvas.row(2), [0, 7, 7, 0]);
        assert!(!canvas.apply(&patch(3, 0, 2, 1, 9)), "beyond the edge");
        assert!(!canvas.apply(&Patch { rect: Rect::new(0, 0, 2, 2), pixels: vec![1; 3] }));
        assert_eq!(canvas.row(0), [0; 4]);
        assert!(!canvas.is_drawn(), "a part is no drawing");
        assert!(canvas.apply(&patch(0, 0, 4, 3, 5)));
        assert!(canvas.apply(&patch(0, 0, 1, 1, 6)) && canvas.is_drawn());
    }

    #[test]
    fn runs_are_found_anew_after_a_patch_and_short_ones_are_mixed() {
        let mut canvas = Canvas::new(Size::new(64, 1));
        canvas.apply(&patch(20, 0, 20, 1, 0xff00_00ff));
        canvas.look(0..1);
        let run = |end, cover| Run { end, cover };
        let holes = [run(20, Cover::Hole), run(40, Cover::Opaque), run(64, Cover::Hole)];
        assert_eq!(canvas.runs(0), holes);
        canvas.apply(&patch(38, 0, 4, 1, 0x8000_0000));
        canvas.look(0..1);
        let mixed = [
            run(20, Cover::Hole),
            run(38, Cover::Opaque),
            run(42, Cover::Mixed),
            run(64, Cover::Hole),
        ];
        assert_eq!(canvas.runs(0), mixed);
        canvas.apply(&patch(2, 0, 3, 1, 0xff00_0000));
        canvas.look(0..1);
        assert_eq!(canvas.runs(0)[0], run(5, Cover::Mixed));
    }

    #[test]
    fn neighbours_become_one_and_many_become_few_that_cover_them_all() {
        let mut damage = Damage::default();
        damage.add(Rect::new(0, 0, 10, 10));
        damage.add(Rect::new(10, 0, 10, 10));
        damage.add(Rect::default());
        assert_eq!(damage.take(), [Rect::new(0, 0, 20, 10)]);
        assert_eq!(damage.take(), []);
        let every: Vec<Rect> =
            (0..40).map(|n| Rect::new(n % 7 * 100, n / 7 * 90, 20 + n, 10)).collect();
        every.iter().for_each(|rect| damage.add(*rect));
        let few = damage.take();
        assert!(few.len() <= MOST, "{few:?}");
        for rect in every {
            let covered = few.iter().any(|one| one.meet(rect) == rect);
            assert!(covered, "{rect:?} is not in {few:?}");
        }
    }
}
