//! Pictures for the papers, drawn rather than shipped: a few shapes against a morning sky, as PNG.

use std::f32::consts::TAU;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::newsroom::Scene;

/// Twice the width of a digest's column at 16:9, less what nobody sees.
const WIDTH: usize = 960;
const HEIGHT: usize = 540;

type Colour = [f32; 3];

const fn hex(colour: u32) -> Colour {
    [(colour >> 16 & 255) as f32, (colour >> 8 & 255) as f32, (colour & 255) as f32]
}

fn mix(one: Colour, other: Colour, share: f32) -> Colour {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|channel| one[channel] + (other[channel] - one[channel]) * share)
}

/// A picture of the scene as PNG; another for every `seed`.
///
/// # Errors
/// None in practice: it is written to memory.
pub fn draw(scene: Scene, seed: u64) -> io::Result<Vec<u8>> {
    let mut canvas = Canvas { pixels: vec![[0.0; 3]; WIDTH * HEIGHT], chance: seed };
    match scene {
        Scene::Ferry => canvas.ferry(),
        Scene::Shipyard => canvas.shipyard(),
        Scene::Boat => canvas.boat(),
        Scene::Seagrass => canvas.seagrass(),
        Scene::Town => canvas.town(false),
        Scene::Haze => canvas.town(true),
        Scene::Hills => canvas.hills(),
        Scene::Theatre => canvas.theatre(),
        Scene::Village => canvas.village(),
    }
    encode(&canvas.pixels)
}

struct Canvas {
    pixels: Vec<Colour>,
    chance: u64,
}

impl Canvas {
    /// The next number from 0 to 1 (SplitMix64): the same ones for the same seed.
    fn dice(&mut self) -> f32 {
        self.chance = self.chance.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1 << 24) as f32
    }

    /// Lays `colour` over every pixel, as densely as `cover` says for its middle.
    fn paint(&mut self, cover: impl Fn(f32, f32) -> f32, colour: impl Fn(f32, f32) -> Colour) {
        self.paint_within((0.0, WIDTH as f32), (0.0, HEIGHT as f32), cover, colour);
    }

    /// The same for a part of the picture: most shapes are small.
    fn paint_within(
        &mut self,
        across: (f32, f32),
        down: (f32, f32),
        cover: impl Fn(f32, f32) -> f32,
        colour: impl Fn(f32, f32) -> Colour,
    ) {
        // Numbers below 0 become 0, and those beyond the edge are cut off.
        let places = |(from, to): (f32, f32), most: usize| from as usize..(to.ceil() as usize).min(most);
        for row in places(down, HEIGHT) {
            for column in places(across, WIDTH) {
                let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
                let share = cover(x, y);
                if share > 0.0 {
                    let pixel = &mut self.pixels[row * WIDTH + column];
                    *pixel = mix(*pixel, colour(x, y), share);
                }
            }
        }
    }

    fn sky(&mut self, top: Colour, middle: Colour, bottom: Colour, horizon: f32) {
        let shade = |y: f32| match y / horizon {
            part if part < 0.6 => mix(top, middle, part / 0.6),
            part => mix(middle, bottom, (part - 0.6) / 0.4),
        };
        self.paint(|_, _| 1.0, |_, y| shade(y));
    }

    fn sun(&mut self, x: f32, y: f32, radius: f32, colour: Colour) {
        let far = move |px: f32, py: f32| (px - x).hypot(py - y) - radius;
        self.paint(|px, py| 0.55 * (-far(px, py).max(0.0) / 130.0).exp(), |_, _| colour);
        self.paint(|px, py| (0.5 - far(px, py)).clamp(0.0, 1.0), |_, _| mix(colour, hex(0xFFFFFF), 0.55));
    }

    /// Everything below a line, paler towards the bottom.
    fn land(&mut self, colour: Colour, foot: Colour, line: impl Fn(f32) -> f32) {
        self.paint(
            |x, y| (y - line(x) + 0.5).clamp(0.0, 1.0),
            |x, y| mix(colour, foot, (y - line(x)) / 180.0),
        );
    }

    /// A line of hills: three waves with lengths and places of chance.
    fn ridge(&mut self, base: f32, height: f32) -> impl Fn(f32) -> f32 + use<> {
        let waves: [(f32, f32, f32); 3] = std::array::from_fn(|wave| {
            let length = WIDTH as f32 / (1.2 + wave as f32 * 1.9 + self.dice());
            (TAU / length, self.dice() * TAU, height / (1.0 + wave as f32 * 1.4))
        });
        move |x| base - waves.iter().map(|(pace, start, size)| size * (x * pace + start).sin()).sum::<f32>()
    }

    fn water(&mut self, horizon: f32, near: Colour, far: Colour, sun_x: f32, glint: Colour) {
        self.paint(
            |_, y| (y - horizon + 0.5).clamp(0.0, 1.0),
            |_, y| mix(far, near, ((y - horizon) / (HEIGHT as f32 - horizon)).sqrt()),
        );
        let glitter = move |x: f32, y: f32| {
            let depth = y - horizon;
            if depth < 0.0 {
                return 0.0;
            }
            let wave = (depth.sqrt() * 5.0 + (x * 0.013 + depth * 0.05).sin() * 1.6).sin();
            let path = (-(x - sun_x).abs() / (26.0 + depth * 0.32)).exp();
            path * (0.25 + 0.55 * wave.max(0.0))
        };
        self.paint(glitter, |_, _| glint);
    }

    /// A shape with straight edges, its edge smoothed by four samples a pixel.
    fn shape(&mut self, corners: &[(f32, f32)], colour: Colour) {
        let bounds = |pick: fn(&(f32, f32)) -> f32| {
            corners.iter().map(pick).fold((f32::MAX, f32::MIN), |(low, high), at| (low.min(at), high.max(at)))
        };
        let ((left, right), (top, bottom)) = (bounds(|corner| corner.0), bounds(|corner| corner.1));
        let inside = |x: f32, y: f32| {
            let edges = corners.iter().zip(corners.iter().cycle().skip(1));
            edges
                .filter(|(a, b)| (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0)
                .count()
                % 2
                == 1
        };
        let cover = |x: f32, y: f32| {
            let samples = [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)];
            samples.iter().filter(|(dx, dy)| inside(x + dx, y + dy)).count() as f32 / 4.0
        };
        self.paint_within((left - 1.0, right + 1.0), (top - 1.0, bottom + 1.0), cover, |_, _| colour);
    }

    fn block(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        self.shape(&[(x, y), (x + width, y), (x + width, y + height), (x, y + height)], colour);
    }

    /// Sky, far hills and water in the light of a low sun.
    fn sea(&mut self, horizon: f32, sun_x: f32) {
        self.sky(hex(0x4C6A92), hex(0xE9A178), hex(0xFCDDA6), horizon);
        self.sun(sun_x, horizon - 34.0, 26.0, hex(0xFFE2A8));
        let far = self.ridge(horizon - 16.0, 14.0);
        self.land(hex(0xB58C86), hex(0xC79E8C), far);
        self.water(horizon, hex(0x26425F), hex(0xE4AE86), sun_x, hex(0xFFE9BE));
    }

    fn ferry(&mut self) {
        self.sea(318.0, 640.0);
        let (white, shade, dark) = (hex(0xF7F1E6), hex(0xD9CFC4), hex(0x2B3550));
        self.shape(
            &[(214.0, 372.0), (232.0, 402.0), (560.0, 402.0), (612.0, 352.0), (540.0, 356.0), (214.0, 356.0)],
            white,
        );
        self.shape(&[(225.0, 390.0), (232.0, 404.0), (560.0, 404.0), (574.0, 390.0)], dark);
        self.block(236.0, 326.0, 280.0, 32.0, white);
        self.block(252.0, 300.0, 226.0, 28.0, white);
        self.block(396.0, 276.0, 66.0, 26.0, white);
        self.shape(&[(300.0, 300.0), (304.0, 262.0), (342.0, 262.0), (350.0, 300.0)], hex(0xB4451F));
        self.block(304.0, 262.0, 38.0, 9.0, dark);
        for window in 0..15 {
            self.block(
                246.0 + window as f32 * 17.6,
                337.0,
                10.0,
                8.0,
                if window % 4 == 1 { hex(0xFFD98A) } else { shade },
            );
        }
        for window in 0..12 {
            self.block(262.0 + window as f32 * 17.6, 310.0, 10.0, 7.0, shade);
        }
        self.block(404.0, 284.0, 50.0, 8.0, dark);
        self.shape(&[(210.0, 404.0), (600.0, 404.0), (560.0, 424.0), (240.0, 424.0)], hex(0x4E566B));
        self.gulls(3);
    }

    fn shipyard(&mut self) {
        self.sea(352.0, 300.0);
        let dark = hex(0x3A3A4E);
        for (x, reach, height) in [(560.0, 190.0, 262.0), (760.0, -170.0, 214.0)] {
            let foot = 392.0;
            self.shape(
                &[(x - 16.0, foot), (x - 6.0, foot - height), (x + 6.0, foot - height), (x + 16.0, foot)],
                dark,
            );
            let top = foot - height;
            self.shape(
                &[
                    (x - reach * 0.35, top - 4.0),
                    (x + reach, top - 22.0),
                    (x + reach, top - 15.0),
                    (x - reach * 0.35, top + 8.0),
                ],
                dark,
            );
            self.shape(
                &[
                    (x - 3.0, top - 40.0),
                    (x + 3.0, top - 40.0),
                    (x + reach, top - 18.0),
                    (x + reach, top - 22.0),
                ],
                dark,
            );
            self.block(x + reach * 0.72, top - 18.0, 2.5, height * 0.42, dark);
            self.block(x - reach * 0.35 - 14.0, top - 8.0, 28.0, 26.0, dark);
        }
        self.shape(&[(604.0, 330.0), (900.0, 318.0), (872.0, 396.0), (632.0, 396.0)], hex(0x8A4630));
        self.shape(&[(622.0, 372.0), (881.0, 368.0), (872.0, 398.0), (632.0, 398.0)], hex(0x54303A));
        self.block(0.0, 392.0, WIDTH as f32, 30.0, hex(0x2E3040));
        for post in 0..20 {
            self.block(post as f32 * 50.0 + 12.0, 420.0, 10.0, 26.0, hex(0x262837));
        }
        self.gulls(2);
    }

    fn boat(&mut self) {
        self.sea(300.0, 300.0);
        let near = self.ridge(322.0, 22.0);
        let far_bank = move |x: f32| near(x) + ((840.0 - x) * 0.6).max((840.0 - x) * 0.08);
        self.land(hex(0x6E5F6C), hex(0x5D5162), far_bank);
        let (hull, house) = (hex(0x1F5F8B), hex(0xF7F1E6));
        self.shape(&[(402.0, 398.0), (422.0, 424.0), (560.0, 424.0), (590.0, 392.0)], hull);
        self.block(430.0, 366.0, 96.0, 30.0, house);
        self.block(440.0, 372.0, 16.0, 12.0, hex(0xFFD98A));
        self.block(466.0, 372.0, 16.0, 12.0, hex(0xFFD98A));
        self.block(492.0, 372.0, 16.0, 12.0, hex(0xFFD98A));
        self.block(540.0, 330.0, 4.0, 64.0, hex(0x3A3A4E));
        self.shape(&[(544.0, 332.0), (574.0, 340.0), (544.0, 348.0)], hex(0xB4451F));
        self.shape(&[(400.0, 426.0), (588.0, 426.0), (560.0, 438.0), (424.0, 438.0)], hex(0x3C4C60));
        self.gulls(2);
    }

    fn gulls(&mut self, count: usize) {
        for _ in 0..count {
            let (x, y) = (120.0 + self.dice() * 700.0, 70.0 + self.dice() * 120.0);
            let wing = 12.0 + self.dice() * 10.0;
            for side in [-1.0, 1.0] {
                let tip = (x + side * wing, y - wing * 0.35);
                let middle = (x + side * wing * 0.5, y - wing * 0.5);
                self.shape(&[(x, y), middle, tip, (middle.0, middle.1 + 3.0), (x, y + 3.0)], hex(0x4B4A5C));
            }
        }
    }

    fn seagrass(&mut self) {
        self.sky(hex(0x8FD6CE), hex(0x3E9AA3), hex(0x14505F), HEIGHT as f32);
        for ray in 0..6 {
            let x = ray as f32 * 180.0 + self.dice() * 90.0 - 60.0;
            let (width, lean) = (18.0 + self.dice() * 50.0, 120.0 + self.dice() * 60.0);
            self.paint(
                |px, py| {
                    let middle = x + lean * py / HEIGHT as f32;
                    let off = ((px - middle).abs() / (width * (0.4 + py / HEIGHT as f32))).min(1.0);
                    0.16 * (1.0 - off) * (1.0 - py / HEIGHT as f32)
                },
                |_, _| hex(0xF4FFE8),
            );
        }
        let floor = self.ridge(486.0, 12.0);
        self.land(hex(0x9C9A78), hex(0x5E6A5C), floor);
        for blade in 0..150 {
            let near = blade as f32 / 150.0;
            let (x, foot) = (self.dice() * 1000.0 - 20.0, 480.0 + near * 70.0);
            let (height, bend) = (90.0 + self.dice() * 150.0 + near * 60.0, 30.0 + self.dice() * 60.0);
            let colour = mix(hex(0x2F7F63), hex(0x123F36), near * 0.7 + self.dice() * 0.3);
            let at = |part: f32, side: f32| {
                let width = (3.4 + near * 3.0) * (1.0 - part * 0.8);
                (x + bend * part * part + side * width, foot - height * part)
            };
            let steps = [0.0, 0.25, 0.5, 0.75, 1.0];
            let left = steps.iter().map(|part| at(*part, -1.0));
            let right = steps.iter().rev().map(|part| at(*part, 1.0));
            let corners: Vec<(f32, f32)> = left.chain(right).collect();
            self.shape(&corners, colour);
        }
        for _ in 0..9 {
            let (x, y, size) =
                (250.0 + self.dice() * 330.0, 120.0 + self.dice() * 110.0, 9.0 + self.dice() * 6.0);
            let body = [(x - size, y), (x, y - size * 0.4), (x + size, y), (x, y + size * 0.4)];
            let tail =
                [(x - size * 0.7, y), (x - size * 1.6, y - size * 0.45), (x - size * 1.6, y + size * 0.45)];
            self.shape(&body, hex(0xD8EFE6));
            self.shape(&tail, hex(0xD8EFE6));
        }
    }

    /// Roofs, layer before layer, the nearer the darker.
    fn town(&mut self, is_hazy: bool) {
        let (top, middle, bottom) = match is_hazy {
            true => (hex(0xA9B7C2), hex(0xD7D2C6), hex(0xEFE3CC)),
            false => (hex(0x3F5680), hex(0xD98E78), hex(0xF9D29A)),
        };
        self.sky(top, middle, bottom, 400.0);
        let sun_x = 180.0 + self.dice() * 600.0;
        self.sun(sun_x, 250.0, 30.0, if is_hazy { hex(0xFFF4DC) } else { hex(0xFFDFA0) });
        let (far, near) =
            if is_hazy { (hex(0xC3BFB8), hex(0x5F6470)) } else { (hex(0xB57F7E), hex(0x2C2B42)) };
        for layer in 0..4 {
            let part = layer as f32 / 3.0;
            let colour = mix(far, near, part);
            let base = 330.0 + part * 120.0;
            let mut x = -20.0 - self.dice() * 40.0;
            while x < WIDTH as f32 {
                let width = 46.0 + self.dice() * 52.0 + part * 18.0;
                let height = 26.0 + self.dice() * 70.0;
                self.house(x, base - height, width, colour, part);
                x += width - 1.0;
            }
        }
    }

    fn house(&mut self, x: f32, eaves: f32, width: f32, colour: Colour, nearness: f32) {
        let bottom = HEIGHT as f32;
        let kind = self.dice();
        self.block(x, eaves, width, bottom - eaves, colour);
        if kind < 0.12 {
            // A church: a narrow tower with a spire.
            let (left, middle) = (x + width * 0.34, x + width * 0.5);
            self.block(left, eaves - 60.0, width * 0.32, 62.0, colour);
            self.shape(
                &[(left, eaves - 60.0), (middle, eaves - 124.0), (left + width * 0.32, eaves - 60.0)],
                colour,
            );
        } else {
            self.shape(&[(x, eaves), (x + width * 0.5, eaves - width * 0.42), (x + width, eaves)], colour);
            if kind > 0.55 {
                self.block(x + width * 0.7, eaves - width * 0.38, 9.0, width * 0.3, colour);
            }
        }
        if nearness < 0.5 {
            return;
        }
        let mut y = eaves + 16.0;
        while y < bottom - 20.0 {
            for column in 0..3 {
                if self.dice() < 0.13 * nearness {
                    let left = x + width * (0.18 + column as f32 * 0.25);
                    self.block(left, y, 9.0, 13.0, hex(0xFFD98A));
                }
            }
            y += 34.0;
        }
    }

    fn hills(&mut self) {
        let turn = self.dice();
        let top = mix(hex(0x5E86A8), hex(0x6C7FA6), turn);
        self.sky(top, hex(0xEAB48E), hex(0xFBE3B8), 380.0);
        let sun_x = 240.0 + self.dice() * 480.0;
        self.sun(sun_x, 236.0, 30.0, hex(0xFFE9BC));
        let far = mix(hex(0xAFA6B4), hex(0xC2A79C), turn);
        let near = mix(hex(0x24443F), hex(0x2B3A52), turn);
        for layer in 0..5 {
            let part = layer as f32 / 4.0;
            let line = self.ridge(276.0 + part * 190.0, 34.0 - part * 8.0);
            // Mist in the valleys: each hill is paler at its foot.
            let colour = mix(far, near, part);
            self.land(colour, mix(colour, hex(0xFBE3B8), 0.45 - part * 0.3), line);
        }
        let (first, pace) = (self.dice() * 80.0, 34.0);
        let line = self.ridge(500.0, 10.0);
        for tree in 0..30 {
            let x = first + tree as f32 * pace + self.dice() * 24.0;
            let height = 26.0 + self.dice() * 46.0;
            let foot = line(x) + 20.0;
            let width = height * 0.24;
            self.shape(&[(x - width, foot), (x, foot - height), (x + width, foot)], hex(0x1B2E30));
        }
        self.land(hex(0x1B2E30), hex(0x14222A), line);
    }

    fn stars(&mut self) {
        self.sky(hex(0x0E1530), hex(0x1E2B56), hex(0x4A5680), 420.0);
        for _ in 0..260 {
            let (x, y) = (self.dice() * WIDTH as f32, self.dice().powf(1.4) * 340.0);
            let size = 0.7 + self.dice().powi(4) * 2.0;
            let colour = mix(hex(0x9FB0DC), hex(0xFFFFFF), self.dice());
            self.shape(&[(x - size, y), (x, y - size), (x + size, y), (x, y + size)], colour);
        }
        let far = self.ridge(392.0, 26.0);
        self.land(hex(0x2A3560), hex(0x333E68), far);
    }

    fn theatre(&mut self) {
        self.stars();
        let hill = self.ridge(446.0, 20.0);
        let dark = hex(0x131A33);
        let (x, foot) = (520.0, hill(585.0) + 14.0);
        self.block(x, foot - 70.0, 130.0, 80.0, dark);
        self.shape(&[(x - 10.0, foot - 70.0), (x + 65.0, foot - 122.0), (x + 140.0, foot - 70.0)], dark);
        self.block(x + 96.0, foot - 128.0, 14.0, 40.0, dark);
        self.land(dark, hex(0x0B1024), hill);
        // The open door, and its light on the ground.
        let light = [(x + 54.0, foot), (x + 76.0, foot), (x + 128.0, foot + 60.0), (x + 2.0, foot + 60.0)];
        self.shape(&light, hex(0x6B5A44));
        self.block(x + 54.0, foot - 36.0, 22.0, 37.0, hex(0xFFCE7A));
        let glow = move |px: f32, py: f32| 0.35 * (-(px - x - 65.0).hypot(py - foot + 10.0) / 46.0).exp();
        self.paint(glow, |_, _| hex(0xFFCE7A));
    }

    fn village(&mut self) {
        self.stars();
        let hill = self.ridge(452.0, 18.0);
        let dark = hex(0x131A33);
        let mut x = 150.0;
        while x < 780.0 {
            let (width, height) = (34.0 + self.dice() * 34.0, 18.0 + self.dice() * 22.0);
            let eaves = hill(x + width / 2.0) - height;
            self.block(x, eaves, width, height + 24.0, dark);
            let ridge = eaves - width * 0.45;
            self.shape(&[(x - 4.0, eaves), (x + width / 2.0, ridge), (x + width + 4.0, eaves)], dark);
            x += width + self.dice() * 46.0;
        }
        let (x, foot) = (468.0, hill(480.0));
        self.block(x, foot - 84.0, 24.0, 100.0, dark);
        self.shape(&[(x - 3.0, foot - 84.0), (x + 12.0, foot - 156.0), (x + 27.0, foot - 84.0)], dark);
        self.land(dark, hex(0x0B1024), hill);
    }
}

/// PNG (RFC 2083): signature, header, one compressed block of lines, end.
fn encode(pixels: &[Colour]) -> io::Result<Vec<u8>> {
    let mut lines = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut above = vec![0_u8; WIDTH * 3];
    let mut line = Vec::with_capacity(WIDTH * 3);
    for row in pixels.chunks(WIDTH) {
        line.clear();
        line.extend(row.iter().flatten().map(|channel| channel.round().clamp(0.0, 255.0) as u8));
        // Filter 2, "up" (RFC 2083 §6.4): skies are nearly the same from line to line.
        lines.write_all(&[2])?;
        let differences: Vec<u8> = line.iter().zip(&above).map(|(now, up)| now.wrapping_sub(*up)).collect();
        lines.write_all(&differences)?;
        std::mem::swap(&mut line, &mut above);
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = Vec::with_capacity(13);
    for side in [WIDTH, HEIGHT] {
        header.extend((side as u32).to_be_bytes());
    }
    // 8 bits a channel, red-green-blue, and the only kinds of compression, filtering and no interlacing there are.
    header.extend([8, 2, 0, 0, 0]);
    for (kind, data) in [(b"IHDR", header), (b"IDAT", lines.finish()?), (b"IEND", vec![])] {
        png.extend((data.len() as u32).to_be_bytes());
        let mut check = flate2::Crc::new();
        for part in [kind.as_slice(), &data] {
            check.update(part);
            png.extend_from_slice(part);
        }
        png.extend(check.sum().to_be_bytes());
    }
    Ok(png)
}
