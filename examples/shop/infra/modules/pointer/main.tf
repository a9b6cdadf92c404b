# The pointer says which slot is live. The release engine writes it too, so it is read first and written back:
# whoever moved it last, the plan is clean. Everything under the prefix is read with one call, which, unlike a read
# of one parameter, answers with nothing instead of an error before the first deploy.
data "aws_ssm_parameters_by_path" "environment" {
  path            = var.prefix
  with_decryption = false
}

locals {
  found = zipmap(
    data.aws_ssm_parameters_by_path.environment.names,
    nonsensitive(data.aws_ssm_parameters_by_path.environment.values),
  )

  initial = jsonencode({
    candidate   = null
    deployments = { blue = null, green = null }
    live        = "blue"
    releases    = { blue = null, green = null }
  })
  observed_text = lookup(local.found, "${var.prefix}pointer", local.initial)
  observed      = jsondecode(local.observed_text)

  promotes = var.slot == "production" && local.observed.candidate != null
  live     = local.promotes ? local.observed.candidate : local.observed.live

  # Unless it moves, the text goes back byte for byte: another writer's formatting is no difference.
  text = local.promotes ? jsonencode(merge(local.observed, { candidate = null, live = local.live })) : local.observed_text

  retained       = jsondecode(coalesce(var.retained, lookup(local.found, "${var.prefix}retained", "{}")))
  rollout_is_on  = contains(keys(local.found), "${var.prefix}rollout")
  aliases_differ = local.promotes
}

resource "aws_ssm_parameter" "pointer" {
  name           = "${var.prefix}pointer"
  description    = "Which slot is live. Written by Penstock's release engine and by terraform apply -var slot=production."
  type           = "String"
  insecure_value = local.text
  overwrite      = true

  lifecycle {
    precondition {
      condition     = !(local.promotes && local.rollout_is_on)
      error_message = "A rollout is under way in this environment, so the slots cannot be switched by hand. Let it end, or stop it with: penstock abort."
    }
  }
}

check "live_aliases_stay" {
  assert {
    condition     = !local.aliases_differ
    error_message = "HTTP traffic moves to slot ${local.live}. The alias \"live\" (queues, streams, schedules, direct callers) does not move by Terraform: run penstock switch, which moves both."
  }
}
