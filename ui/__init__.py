"""The review app's pages: with app.py the only modules that import streamlit. What they show and do lives in curate.review and evaluate."""
