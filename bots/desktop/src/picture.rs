//! Picture: what the screen shows, as a PNG, with the places covered that nobody may see.

use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, ImageOrder};

use crate::display::Display;
use crate::halt::Halt;

/// A part of the screen that is covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cover {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

struct Image {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

const LOOKS_MAX: usize = 10;
const LOOK_PAUSE: Duration = Duration::from_millis(25);
const COVERED: [u8; 3] = [0x40, 0x40, 0x40];

impl Display {
    /// Takes a picture of the whole screen.
    pub(crate) fn picture(&self, covers: &[Cover]) -> Result<Vec<u8>, Halt> {
        // A program answers before it has drawn what it was told, so the screen is looked at until it stands still.
        let mut image = self.image()?;
        for _ in 0..LOOKS_MAX {
            std::thread::park_timeout(LOOK_PAUSE);
            let next = self.image()?;
            let still = next.pixels == image.pixels;
            image = next;
            if still {
                break;
            }
        }
        let Image {
            width,
            height,
            mut pixels,
        } = image;
        for cover in covers {
            draw(&mut pixels, width, height, *cover);
        }
        encode(&pixels, width, height).map_err(|error| {
            Halt::passing("picture", format!("failed to encode a picture: {error}"))
        })
    }

    fn image(&self) -> Result<Image, Halt> {
        // The screen may have been resized since the connection was made.
        let size = self.connection.get_geometry(self.screen.root)?.reply()?;
        let (width, height) = (size.width, size.height);
        let image = self
            .connection
            .get_image(
                ImageFormat::Z_PIXMAP,
                self.screen.root,
                0,
                0,
                width,
                height,
                u32::MAX,
            )?
            .reply()?;
        let (width, height) = (usize::from(width), usize::from(height));
        let pixels = self.colours(&image.data, image.depth, width, height)?;
        Ok(Image {
            width,
            height,
            pixels,
        })
    }

    fn colours(
        &self,
        data: &[u8],
        depth: u8,
        width: usize,
        height: usize,
    ) -> Result<Vec<u8>, Halt> {
        let setup = self.connection.setup();
        let bits = setup
            .pixmap_formats
            .iter()
            .find(|format| format.depth == depth)
            .map_or(0, |format| format.bits_per_pixel);
        let visual = self
            .screen
            .allowed_depths
            .iter()
            .flat_map(|depth| &depth.visuals)
            .find(|visual| visual.visual_id == self.screen.root_visual);
        let (32, Some(visual)) = (bits, visual) else {
            return Err(Halt::lasting(
                "picture",
                format!("the screen has {depth} bits of colour; pictures need 24"),
            ));
        };
        let part = |pixel: u32, mask: u32| {
            u8::try_from(((pixel & mask) >> mask.trailing_zeros().min(31)) & 0xff).unwrap_or(0)
        };
        let pixels: Vec<u8> = data
            .chunks_exact(4)
            .take(width * height)
            .flat_map(|bytes| {
                let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
                let pixel = if setup.image_byte_order == ImageOrder::LSB_FIRST {
                    u32::from_le_bytes(bytes)
                } else {
                    u32::from_be_bytes(bytes)
                };
                [
                    part(pixel, visual.red_mask),
                    part(pixel, visual.green_mask),
                    part(pixel, visual.blue_mask),
                ]
            })
            .collect();
        if pixels.len() != width * height * 3 {
            return Err(Halt::passing(
                "picture",
                "the X server sent an incomplete picture",
            ));
        }
        Ok(pixels)
    }
}

fn draw(pixels: &mut [u8], width: usize, height: usize, cover: Cover) {
    let clip = |from: i32, length: u32, limit: usize| {
        let end = i64::from(from) + i64::from(length);
        let bound = |value: i64| usize::try_from(value.max(0)).unwrap_or(0).min(limit);
        bound(i64::from(from))..bound(end)
    };
    for row in clip(cover.y, cover.height, height) {
        for column in clip(cover.x, cover.width, width) {
            let at = (row * width + column) * 3;
            pixels[at..at + 3].copy_from_slice(&COVERED);
        }
    }
}

fn encode(pixels: &[u8], width: usize, height: usize) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let side = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let mut encoder = png::Encoder::new(&mut bytes, side(width), side(height));
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(pixels)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cover_hides_its_area_and_may_hang_over_the_edge() {
        let mut pixels = vec![255; 4 * 3 * 3];
        draw(
            &mut pixels,
            4,
            3,
            Cover {
                x: -1,
                y: 1,
                width: 3,
                height: 100,
            },
        );
        let covered: Vec<bool> = pixels.chunks(3).map(|pixel| pixel == COVERED).collect();
        assert_eq!(
            covered,
            [
                false, false, false, false, true, true, false, false, true, true, false, false
            ]
        );
        draw(
            &mut pixels,
            4,
            3,
            Cover {
                x: i32::MAX,
                y: i32::MIN,
                width: u32::MAX,
                height: u32::MAX,
            },
        );
    }
}
