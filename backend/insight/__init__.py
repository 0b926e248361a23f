"""What the status page shows beside the jobs: pictures, comparison, forecast, live quality.

Workers prepare it while images and masks are at hand, and keep it in the storage beside the round; the web process only reads it.
"""
