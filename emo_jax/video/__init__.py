"""From a video file to a clip: sampled frames' face features and raw hand keypoints over time."""
