"""Every constant of the generator, with its source. `assumed`: nobody measured it; set beforehand.

No model was trained to choose any of them. "Paper" is "Emotion Recognition in Signers" (Funakoshi
and Zhu); emotions are in the order of `emo_jax.labels.EMOTIONS`, as in the paper's Table 7.
"""

import math

# --- Time ---------------------------------------------------------------------------------------
# Paper, through EMO-AffectNet's sampling: every 5th frame of a video of 25 frames/s (BOBSL's rate).
FPS = 25
FRAME_STEP = 5
# Frames of rest, signing and post-signing hold, uniform from first to last number. The three phases
# are the paper's (section 4.3); their lengths are assumed: 22 frames (4.4 s) on average.
PHASES = ((2, 6), (6, 14), (4, 12))

# --- Who and how many ---------------------------------------------------------------------------
# Assumed. A clip of every emotion by every non-signer; more signers and clips than any test split.
NONSIGNERS, NONSIGNER_CLIPS = 70, 700
WEAK_SIGNERS, WEAK_CLIPS = 24, 1400
VALIDATION_SIGNERS, VALIDATION_CLIPS = 6, 300
BOBSL_SIGNERS = 6
# Paper, Table 9, BOBSL-M_C: 930 clips.
BOBSL_COUNTS = (48, 25, 26, 10, 5, 8, 808)
# Paper, section 3.1: every sentence with every emotion by both signers, 1,092 clips.
EJSL_SENTENCES, EJSL_SIGNERS = 78, 2
# EmoSign's single expression set by signer; the sums are the paper's Table 8: 140 clips.
EMOSIGN_COUNTS = (
  (19, 10, 2, 6, 9, 6, 5),
  (24, 6, 0, 0, 8, 2, 3),
  (10, 11, 1, 4, 4, 3, 3),
  (1, 2, 0, 0, 0, 1, 0),
)

# --- Text, affect and weak label ----------------------------------------------------------------
# Paper, Table 9, annotator M_A2 (the less cautious of the two), as proportions.
TEXT_PRIOR = tuple(n / 1438 for n in (251, 110, 92, 55, 33, 47, 850))
# Assumed. A signer shows the text's emotion, else no emotion, else another emotion.
AFFECT_AGREES, AFFECT_NEUTRAL = 0.60, 0.25
# A labeller is right on a text. Assumed, from the paper's Appendix B: its annotators agree on
# 64.67 % of the subtitles, as two readers do who are each right with about this probability.
LABELLER_RIGHT = 0.80
# Assumed, after Table 9, where annotators differ mostly by neutral: a labeller that errs misses
# the emotion, seldom takes it for another; on neutral text it sees any emotion alike.
LABELLER_NEUTRAL = 0.15

# --- Face: action units -------------------------------------------------------------------------
# Action units of each emotion: Ekman and Friesen's Facial Action Coding System, the common table.
AFFECT_UNITS = {
  'joy': ('6', '12'),
  'sadness': ('1', '4', '15'),
  'anger': ('4', '5', '7', '23'),
  'disgust': ('9', '15', '16'),
  'fear': ('1', '2', '4', '5', '7', '20', '26'),
  'surprise': ('1', '2', '5', '26'),
  'neutral': (),
}
# Grammatical markers. Brow raise and furrow in questions: Pfau and Quer (2010), cited by the paper;
# the others are markers sign linguistics describes. Writing them as action units is assumed.
MARKER_UNITS = {
  'yes_no_question': ('1', '2', '5'),  # brow raise: as in surprise
  'wh_question': ('4', '7'),  # brow furrow: as in anger
  'negation': ('4', '15', '17', 'shake'),  # as in sadness and disgust
  'relative_clause': ('1', '2', '6', '10'),
  'mouth_near': ('6', '12', '20'),  # spread lips, raised cheek: as in joy
  'mouth_careless': ('19', '26'),  # as in surprise and fear
  'mouth_large': ('34',),  # puffed cheeks
}
# Assumed. Markers per clip, and their span as a share of the signing, uniform from first to last.
MARKERS_PER_CLIP = (1, 3)
MARKER_SPAN = (0.3, 0.8)
# Assumed. Strength of a marker beside affect of strength 1, and what a marker leaves of affect.
MARKER_STRENGTH = (0.7, 1.3)
AFFECT_UNDER_MARKER = 0.4
# Assumed. Strength of affect per clip, the same in rest, signing and hold; its slow fluctuation, an
# autoregression over frames: correlation of neighbours and standard deviation.
AFFECT_STRENGTH = (0.5, 1.5)
AFFECT_CORRELATION, AFFECT_FLUCTUATION = 0.8, 0.2
# Assumed standard deviations, per unit: a signer's way of showing an affect, a signer's face at
# rest, how that differs between clips, and between frames.
SIGNER_AFFECT, SIGNER_FACE, CLIP_FACE, FRAME_FACE = 0.15, 0.20, 0.10, 0.15
# Assumed. Dimensions of appearance that are no action unit, and the share that varies by clip.
IDENTITY_DIM, CLIP_IDENTITY = 16, 0.3
# Assumed. Backbone: a random linear map and ReLU; deviation of its biases and of its noise.
BACKBONE_BIAS, BACKBONE_NOISE = 0.5, 0.1

# --- Hands --------------------------------------------------------------------------------------
# Bellugi and Fischer (1972): about 2.3 signs a second. One hand shape a sign is assumed.
SIGNS_PER_SECOND = 2.3
# BOBSL's frames, in pixels.
FRAME_SIZE = (444, 444)
# Assumed anatomy in units of the palm (wrist to middle MCP), x to the little finger, y to the
# finger tips: base joints, bones and spread of thumb, index, middle, ring and little finger.
FINGER_BASES = ((-0.30, 0.30), (-0.30, 0.98), (0.0, 1.0), (0.25, 0.93), (0.47, 0.82))
FINGER_BONES = (
  (0.40, 0.33, 0.27),
  (0.45, 0.26, 0.20),
  (0.50, 0.30, 0.20),
  (0.46, 0.28, 0.20),
  (0.36, 0.20, 0.18),
)
FINGER_SPREAD = tuple(math.radians(a) for a in (-45, -8, 0, 8, 16))
# Assumed. Flexion of the three joints of a closed finger, and the deviation of each from its share.
CLOSED_FLEXION = tuple(math.radians(a) for a in (80, 90, 50))
FLEXION_DEVIATION, SPREAD_DEVIATION = math.radians(5), math.radians(5)
RELAXED_CURL = 0.35
# Assumed deviations of the palm's orientation in a sign: pitch, turn, roll in the picture's plane.
PALM_DEVIATION = tuple(math.radians(a) for a in (30, 40, 40))
RELAXED_ROLL = math.radians(150)
# Assumed, in pixels: palm (between clips), wrist at rest, mean and deviation of the wrist in a sign
# (distance to the side from the body's middle; downwards), and jitter of every point.
PALM_PIXELS = (32.0, 44.0)
RELAXED_WRIST, SIGNING_WRIST, WRIST_DEVIATION = (50.0, 380.0), (60.0, 250.0), (30.0, 40.0)
POINT_JITTER = 0.5
# Assumed. Hands are out of view at rest in a share of the clips; a moving hand is missed in a share
# of its frames. (In real JSL clips the hand model found a hand in 76 % of all frames.)
REST_HIDDEN, MOVING_MISSED = 0.3, 0.1
HAND_SCORE = (0.8, 1.0)

# --- Face box -----------------------------------------------------------------------------------
# Assumed, in pixels: centre, side, deviation between signers and jitter between frames.
FACE_CENTRE, FACE_SIDE, FACE_DEVIATION, FACE_JITTER = (222.0, 130.0), 100.0, 10.0, 1.0
FACE_SCORE = (0.97, 1.0)
# Eyes, nose, corners of the mouth as shares of the box.
FACE_LANDMARKS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))
