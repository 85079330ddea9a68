"""Pictures, videos and the page: functions of what a run folder holds."""
