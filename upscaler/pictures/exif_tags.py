"""Tags of EXIF and TIFF by what becomes of them when a picture is upscaled.

Numbers: Exif 3.0, TIFF 6.0, TIFF/EP, GeoTIFF 1.1.
"""

EXIF_POINTER, GPS_POINTER, INTEROP_POINTER = 34665, 34853, 40965
POINTERS = {EXIF_POINTER, GPS_POINTER, INTEROP_POINTER}  # to directories

ORIENTATION = 274
COLOUR_SPACE, INTEROP_INDEX = 40961, 1
WIDTHS, HEIGHTS = {256, 40962, 4097}, {257, 40963, 4098}
SUBJECTS = {37396, 41492}  # area and location
FOCAL_PLANE_RESOLUTIONS = {41486, 41487}  # pixels a unit of the sensor
PIXEL_SCALE, TIE_POINTS = 33550, 33922  # of maps
STRIPS = {273, 324}  # places of pixels, in strips or tiles
THUMBNAILS = {273: 279, 324: 325, 513: 514}  # places of pixels, and their lengths
MAKER_NOTE, PHOTOSHOP_LAYERS = 37500, 37724

# How pixels are stored: their bits, colours and channels, of which those of the result differ, and their places.
PIXELS = {258, 262, 277, 273, 279, 288, 289, 324, 325, 330, 347, *range(512, 522), PHOTOSHOP_LAYERS}

# Of a TIFF also its storage of pixels, and what is carried apart: XMP, IPTC, Photoshop's resources, colour profile.
STORAGE = {
    *PIXELS,
    *(*range(254, 258), 259, 263, 264, 265, 266, 278, 280, 281, 284, 292, 293, 297, 317),
    *(*range(319, 324), 326, *range(331, 347), 529, 530, 532, 700, 33723, 34377, 34675),
}

# What says nothing of the place: no maker notes, free text, sound, air pressure or depth, and nothing unknown.
PLACELESS = {
    *(1, 2, 4096, 4097, 4098),  # interoperability
    *(*range(254, 260), 262, 266, 271, 272, 274, 277, 278, 282, 283, 284, 296, 301, 305, 306, 315, 317, 318, 319),
    *(529, 530, 531, 532, 18246, 18249, 33432, 33434, 33437, 34675, EXIF_POINTER, 34850, 34852, 34855, 34856),
    *(*range(34864, 34870), 36864, 36867, 36868, 36880, 36881, 36882, 37121, 37122, *range(37377, 37387), 37396),
    *(37520, 37521, 37522, *range(40960, 40964), INTEROP_POINTER, 41483, 41484, *range(41486, 41489), 41492, 41493),
    *(41495, *range(41728, 41731), *range(41985, 41997), 42016, *range(42032, 42038), 42080, 42081, 42082, 42240),
    50341,  # print image matching
}
