//! Between the layouts of YUV pictures and the I420 that JPEG is made of: copies, and chroma
//! averaged or repeated. All of it in full range.

use turbojpeg::{Subsamp, YuvImage};

use crate::frame::{PixelFormat, Size};

/// `planes` becomes the I420 of an NV12 picture whose size is even.
pub(super) fn nv12_to_i420(data: &[u8], size: Size, planes: &mut Vec<u8>) {
    let chroma = size.pixels() / 4;
    planes.resize(data.len(), 0);
    let (luma, uv) = data.split_at(size.pixels());
    let (y, rest) = planes.split_at_mut(luma.len());
    y.copy_from_slice(luma);
    let (u, v) = rest.split_at_mut(chroma);
    for ((pair, u), v) in uv.chunks_exact(2).zip(u).zip(v) {
        (*u, *v) = (pair[0], pair[1]);
    }
}

/// `planes` becomes the I420 of a YUYV picture whose size is even: chroma is the mean of two rows.
pub(super) fn yuyv_to_i420(data: &[u8], size: Size, planes: &mut Vec<u8>) {
    let width = size.width as usize;
    planes.resize(PixelFormat::I420.bytes(size), 0);
    let (y, rest) = planes.split_at_mut(size.pixels());
    let (u, v) = rest.split_at_mut(size.pixels() / 4);
    let rows = data.chunks_exact(4 * width).zip(y.chunks_exact_mut(2 * width));
    let chroma = u.chunks_exact_mut(width / 2).zip(v.chunks_exact_mut(width / 2));
    for ((two_rows, y), (u, v)) in rows.zip(chroma) {
        let (above, below) = two_rows.split_at(2 * width);
        for (luma, pair) in y.iter_mut().zip(two_rows.chunks_exact(2)) {
            *luma = pair[0];
        }
        let quads = above.chunks_exact(4).zip(below.chunks_exact(4));
        for ((above, below), (u, v)) in quads.zip(u.iter_mut().zip(v)) {
            (*u, *v) = (mean(above[1], below[1]), mean(above[3], below[3]));
        }
    }
}

fn mean(a: u8, b: u8) -> u8 {
    (u16::from(a) + u16::from(b)).div_ceil(2) as u8
}

/// Any sampling to I420: chroma averaged where there is more of it, repeated where there is less.
pub(super) fn to_i420(from: &YuvImage<&[u8]>, into: &mut [u8]) {
    let (width, height) = (from.width, from.height);
    let (y_stride, y_rows) = from.y_size();
    let (luma, chroma) = from.pixels.split_at(y_stride * y_rows);
    let (y, rest) = into.split_at_mut(width * height);
    for (row, from) in y.chunks_exact_mut(width).zip(luma.chunks_exact(y_stride)) {
        row.copy_from_slice(&from[..width]);
    }
    if from.subsamp == Subsamp::Gray {
        rest.fill(128);
        return;
    }
    let (stride, rows) = from.uv_size();
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let (u, v) = rest.split_at_mut(half_width * half_height);
    let (every_x, every_y) = from.subsamp.size();
    for (plane, into) in chroma.chunks_exact(stride * rows).zip([u, v]) {
        for (y, into) in into.chunks_exact_mut(half_width).enumerate() {
            let row = |y: usize| &plane[(y / every_y).min(rows - 1) * stride..][..stride];
            let (above, below) = (row(2 * y), row(2 * y + 1));
            if every_x == 2 {
                for ((into, above), below) in into.iter_mut().zip(above).zip(below) {
                    *into = mean(*above, *below);
                }
                continue;
            }
            for (x, into) in into.iter_mut().enumerate() {
                let left = (2 * x / every_x).min(stride - 1);
                let right = ((2 * x + 1) / every_x).min(stride - 1);
                let sum = [above[left], above[right], below[left], below[right]];
                *into = (sum.map(u16::from).iter().sum::<u16>().div_ceil(4)) as u8;
            }
        }
    }
}
