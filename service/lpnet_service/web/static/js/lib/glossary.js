// What the figures, columns and charts of the pages mean, by key.

export const GLOSSARY = {
  // Devices and targets
  devices: "Machines that run networks, such as a computer, a board or a phone.",
  targets: "A target is a device with one runtime and all settings that change its latency. " +
    "Each has an LPNet of its own.",
  state: "Whether it measures: measuring, idle, paused (continues by itself), broken (needs a " +
    "person), offline (no contact with its agent), or imported (a table without a device).",
  state_since: "When this state began.",
  last_seen: "The last contact with the agent of the device.",
  epoch: "A period in which the conditions of the target did not change. Only samples of the " +
    "current epoch are used.",
  cleared: "How often a person accepted a changed device as normal.",
  sentinels:
    "Two small workloads that never change are timed regularly. If their latency drifts, " +
    "the device has changed. Dashed: the limits of the drift.",
  temperature: "The hottest thermal zone of the device while samples were measured.",
  noise_history: "The noise floor of the target at the time of each training.",
  noise_floor: "How much the latency of the same workload differs between two sessions, as a " +
    "median. The small figures are its 95% interval. Smaller errors cannot be told from noise.",
  samples: "Measured workloads of the current epoch. An epoch ends when the device has changed.",
  all_samples: "Measured workloads of all targets, in their current epochs.",
  trained_targets: "Targets whose latency can be predicted: they have a trained latency model.",
  attention: "Targets that are broken, or whose agent does not respond.",
  lpnet_error: "Mean absolute error of the active LPNet on whole networks that it was not " +
    "trained on, in percent of the measured latency.",
  open: "Pages about this target.",

  // Samples
  workload: "What is timed: a whole network, or one of its blocks alone.",
  widths: "How many channels each layer, or group of layers, keeps.",
  latency: "Median time of one inference at the workload's batch size.",
  spread: "Standard deviation of the runs of this sample, in percent of its latency.",
  predicted: "The latency that the LPNet predicts for these widths.",
  measured: "The latency measured on the device: the median of the undisturbed samples.",
  error: "Predicted minus measured latency, in percent of the measured one. Above zero the " +
    "prediction is too high.",
  drawn: "How the workload was chosen. random: any widths. mixed: half of the widths rounded. " +
    "aligned: all rounded to multiples of 4, 8, 16 or 32. dense: unpruned. sweep: one width " +
    "varies. pruned: chosen by a pruner. chosen: by what it would tell. asked: listed by a user " +
    "or a pruning job. Held-out workloads are not trained on.",
  measured_at: "When it was measured.",
  conditions: "Number of timed runs, clock and temperature, or why the sample is disturbed. " +
    "Disturbed samples are kept, but not trained on.",

  // Compare
  compared_target: "The first target is the reference that the others are compared with.",
  median_difference: "How much more or less time than the reference the median workload takes. " +
    "The ratio is latency over latency of the reference.",
  difference_range: "Eight of ten workloads lie between these differences.",
  fastest_on: "Share of the workloads on which this target is the fastest of all that are chosen.",
  part: "The shared workloads of one kind, or of one block of a space.",
  part_count: "Number of shared workloads in this group.",
  part_difference: "Median difference from the reference target on the workloads of this group.",
  target_latency: "Measured latency on this target. Green: the fastest of the targets.",
  difference: "Time on this target compared with the reference, on this workload.",

  // Curves
  curve: "Latency against the channels of one width, while all other widths stay. The band holds " +
    "90% of measurements. A diamond marks a fast width: every larger width costs more. The " +
    "dashed line is the latency after rounding up to a fast width.",
  advice: "What the curve says about choosing this width. Steps smaller than the noise floor are " +
    "not mentioned.",

  // What if
  prediction: "The predicted latency of the network with these widths, and the interval that " +
    "90% of measurements lie in.",
  of_dense: "Predicted latency in percent of that of the unpruned network.",
  macs: "Multiply-accumulate operations of one inference. M: million, G: thousand million.",
  params: "Weights and biases, with BatchNorm folded into the layers before it.",
  per_second: "How many inferences fit into a second, one after the other.",
  block: "A part of the network, such as a residual block. Input and output: reading the input " +
    "and writing the output. Call overhead: the constant cost of an inference.",
  block_time: "The part of the predicted latency that this block takes within the network.",
  share: "This part in percent of the whole latency. A full bar would be 100%.",
  part_of_dense: "Latency of the block in percent of that of the unpruned block.",
  block_macs: "Multiply-accumulate operations of the block.",

  // Report
  model: "The kind of latency model that was trained. With auto, cross-validation chooses it: " +
    "the simplest kind that is as good as the best.",
  mean_error: "Mean of the absolute errors on held-out workloads, each in percent of its " +
    "measured latency.",
  within: "Share of the held-out samples whose prediction is at most this far from the " +
    "measured latency.",
  rank_correlation: "Whether the faster of two networks is predicted to be faster (Spearman). " +
    "1: always the right order. 0: no better than chance.",
  held_out: "Samples that were kept out of the training to test it. A workload that was measured " +
    "in several sessions has several samples, but one dot in the chart.",
  trained_on: "Samples that the LPNet learned from.",
  scatter: "A dot is a held-out workload, at the median of its samples. On the line the " +
    "prediction is right. Above it the prediction is too high.",
  baselines: "Simpler models, trained and tested on the same samples. An LPNet is worth its " +
    "effort if its bar is clearly shorter.",
  error_by_latency: "Held-out workloads in ten groups of equal size, from fast to slow, with the " +
    "mean error of each group.",
  error_by_op: "Mean error of the held-out workloads that contain an op of this type. Most " +
    "workloads contain several.",
  calibration: "Whether the prediction intervals hold what they promise. On the line an interval " +
    "for 90% covers 90% of held-out workloads. Below it the intervals are too narrow.",
  learning_curve: "The error with fewer training samples. If the curve is flat at its right end, " +
    "more samples would not help.",
  versions: "The error of each trained version on whole networks held out at its time.",
  held_out_group: "Held-out networks by how their widths were chosen.",
  held_out_samples: "Number of held-out samples of these networks.",
  pairs: "Pairs of measured workloads that differ in one width by a small step.",
  beyond_noise: "Pairs whose measured change is more than twice the noise floor. The others " +
    "cannot be told from noise.",
  change_rank: "Whether larger measured changes are predicted to be larger (Spearman): 1 is the " +
    "right order, 0 is chance.",
  change_error: "Median error of the predicted change, in percent of the measured change.",
  regret: "How much less latency the ten cuts with the best prediction save than the ten that " +
    "are best by measurement.",

  // Spaces
  width_count: "Numbers of channels that can be chosen independently.",
  blocks: "Parts of the network that can be measured alone.",
  frozen_channels: "Output channels that cannot be removed. They are measured and priced like " +
    "all others.",
  width: "Name of the first layer of the group that keeps the same channels.",
  max: "Channels of the unpruned network.",
  granule: "The width is a multiple of this number. It is more than 1 for grouped convs and " +
    "heads of attention.",
  layers: "Layers whose output channels belong to this width.",
  frozen_by: "The node of the network that keeps the channels, or a pattern of layer names.",
  op: "Type of the node.",
  frozen_count: "Number of output channels that it keeps.",
  frozen_reason: "Why these channels cannot be removed.",
  diagram: "The blocks in execution order, with the channels of their widths. Frozen layers are " +
    "shaded.",
  space_targets: "Targets with samples of this space.",
  space_samples: "Samples of this space in the current epoch of the target.",

  // Campaigns
  campaign: "A request to measure a space on a target. It is cut into jobs.",
  campaign_state: "Green: most samples are good. Amber: more than a tenth are disturbed, or it " +
    "waits for the target. Failed: nothing was measured, or most samples are disturbed.",
  good_samples: "Undisturbed samples, of all workloads to measure. Disturbed samples are kept, " +
    "but not trained on.",
  pace: "Workloads measured per minute since the first job started, pauses included.",
  end: "When it ended, or the estimated time until it ends.",
  failures: "Workloads that could not be measured, with the reasons.",

  // Pruning
  pareto: "Each dot is a pruned network. Up and to the left is better. The line joins the " +
    "results that no other result beats in both accuracy and latency.",
  candidate:
    "A network that the job chose for the budget and measured. It goes on with one of them.",
  candidates: "Networks that the job chose for the budget and measured.",
  kept: "Channels that the pruned network keeps.",
  kept_share: "Kept channels in percent of those of the unpruned network.",
  job: "A run of a pruning method on a network, for a latency budget on a target.",
  method: "The pruning method and the network, with the data, the seed and the candidate.",
  accuracy: "Accuracy after pruning and fine-tuning. Only the chosen candidate is fine-tuned.",
  accuracy_before: "Accuracy of the unpruned network.",
  measured_pruned: "Measured latency of the pruned network.",
  predicted_pruned: "Predicted latency of the pruned network.",
  budget: "The latency that the pruned network may take.",
  reported: "When the pruning job began.",
};
